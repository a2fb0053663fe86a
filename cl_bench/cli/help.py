"""``cl-bench --help``, answered without Hydra: its plugins take longer to load than all of it."""

from __future__ import annotations

import textwrap

from cl_bench.config.choices import GROUPS, choices

TEXT = """\
cl-bench: continual-learning benchmark runs, composed from groups

usage: cl-bench [GROUP=CHOICE ...] [KEY=VALUE ...] [-m] [-q]
       cl-bench ls [methods|datasets|models|memories|devices|trackers|metrics]
       cl-bench ls CHOICE                             # its options, e.g. cl-bench ls gem
       cl-bench ls runs [DIR ...]
       cl-bench report [DIR ...] [-h]
       cl-bench reproduce [PAPER ...] [--list] [-h]   # published numbers beside ours
       cl-bench tune KEY=A,B,C [--report DATASET]  # choose there, report elsewhere
       cl-bench predict RUN INPUT.npz [-h]
       cl-bench export RUN [--task N] [-h]            # its network for other programs
       cl-bench forget RUN task=N [-h]                # drop what the run keeps for one task
       cl-bench new method NAME --into FOLDER         # a choice of your own, to begin with
       cl-bench check FOLDER                          # prove your own choices right
       cl-bench doctor
       cl-bench show dataset=CHOICE [KEY=VALUE ...]   # samples, counts, checksum

A run is one choice per group; what is not named keeps its default. Choosing a method and a
dataset gives the paper's settings for that pair; any value can then be overridden.

  cl-bench method=gem dataset=mnist_permutations
  cl-bench method=single dataset=digits_permutations     # needs no download
  cl-bench method=gem memory.size=1280 method.margin=0 seed=3
  cl-bench -m method=single,gem 'seed=range(5)'          # a sweep, every combination
  cl-bench method=gem --cfg job --resolve                # show what would run, run nothing
  cl-bench -m method=er,gem 'seed=range(5)' --dry-run    # which runs, which are finished, how long

Groups and their choices (cl-bench ls says what each one is):

{groups}

Common keys
  seed=N              initialisation, sample order, the method's draws; tasks too
  dataset.seed=N      fixes the tasks apart from seed
  dataset.tasks=N     number of tasks          dataset.samples_per_task=N
  memory.size=M       episodic memory in samples, over all tasks
  outputs=DIR         where the run directories go
  force=true          start over: run again although it is finished or half done
  checkpoint.every=S  seconds between checkpoints; an interrupted run goes on from the last
  -q, quiet=true      no progress, no tables
  --include FOLDER    your own methods/, models/, ..., conf/ beside these (any command)

TAB completion: eval "$(cl-bench -sc install=bash)"   (zsh and fish likewise)

Hydra's own flags (--cfg, --info, --config-dir, ...): cl-bench --hydra-help
"""


def print_help() -> None:
    """How to compose a run, the groups and their choices, examples."""
    lines = [
        textwrap.fill(
            f"{group}: {', '.join(choices(group))}",
            92,
            initial_indent="  ",
            subsequent_indent="    ",
        )
        for group in GROUPS.values()
    ]
    print(TEXT.format(groups="\n".join(lines)), end="")
