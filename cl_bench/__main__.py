import sys

from cl_bench.cli.main import main

sys.exit(main())
