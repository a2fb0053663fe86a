from cl_bench.api.result import Result as Result
from cl_bench.api.runs import run as run
from cl_bench.api.runs import sweep as sweep
from cl_bench.api.runs import tune as tune
from cl_bench.api.tables import load as load
from cl_bench.api.tables import report as report
from cl_bench.config.origins import include as include
from cl_bench.errors import Diverged as Diverged
from cl_bench.errors import RunError as RunError
from cl_bench.errors import UsageError as UsageError

__version__: str
