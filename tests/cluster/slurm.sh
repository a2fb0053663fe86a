#!/usr/bin/env bash
# A Slurm of one node on this machine, for tests: its files, munge included, all in one folder, so
# that a Slurm that is configured here already is not touched. Needs root.
#
#   tests/cluster/slurm.sh install        the Debian packages (apt-get)
#   tests/cluster/slurm.sh up DIR         start it; then: export SLURM_CONF=DIR/slurm.conf
#   tests/cluster/slurm.sh down DIR       stop it
set -euo pipefail

CPUS=2
die() { echo "slurm.sh: $*" >&2; exit 1; }
fail() { stop; die "$@"; }
usage() { sed -n 's/^#   //p' "$0" >&2; exit 2; }

install_packages() {
  command -v apt-get > /dev/null || die "needs apt-get; install Slurm and munge by other means"
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends slurm-wlm munge
}

write_settings() {
  local host=$1
  # cgroups are seldom to be had in a container
  cat > "$dir/slurm.conf" << END
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
NodeName=$host NodeAddr=127.0.0.1 CPUs=$CPUS RealMemory=16000 State=UNKNOWN
PartitionName=tests Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
SlurmUser=root
SlurmdUser=root
SlurmctldPort=17817
SlurmdPort=17818
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$dir/munge/socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
KillWait=2
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
END
}

start() {
  [ "$(id -u)" = 0 ] || die "needs root"
  for program in munged slurmctld slurmd sinfo; do
    command -v "$program" > /dev/null || die "$program is missing: $0 install"
  done
  [ -e "$dir/slurm.conf" ] && die "$dir has a Slurm already: $0 down $dir"
  mkdir -p "$dir/munge" "$dir/state" "$dir/spool"
  chmod 755 "$dir" "$dir/munge"
  (umask 077 && head -c 128 /dev/urandom > "$dir/munge/key")
  munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" \
    --pid-file="$dir/munge/pid" --log-file="$dir/munge/log" --seed-file="$dir/munge/seed" \
    || fail "munged does not start; see $dir/munge/log"
  write_settings "$(hostname -s)"
  export SLURM_CONF=$dir/slurm.conf
  slurmctld || fail "slurmctld does not start; see $dir/slurmctld.log"
  slurmd || fail "slurmd does not start; see $dir/slurmd.log"
  for _ in $(seq 60); do
    if [ "$(sinfo -h -o %T 2> /dev/null)" = idle ]; then
      echo "export SLURM_CONF=$SLURM_CONF"
      return
    fi
    sleep 0.5
  done
  sinfo -R >&2 || true
  fail "the node is not idle after 30 s; see $dir/slurmctld.log and $dir/slurmd.log"
}

stop() {
  local file pid
  if [ -e "$dir/slurm.conf" ]; then  # a job's steps do not end without the daemons
    export SLURM_CONF=$dir/slurm.conf
    timeout 10 scancel --quiet --partition=tests 2> /dev/null || true
    for _ in $(seq 30); do
      [ -n "$(timeout 5 squeue -h 2> /dev/null)" ] || break
      sleep 0.5
    done
  fi
  for file in "$dir/slurmd.pid" "$dir/slurmctld.pid" "$dir/munge/pid"; do
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    kill "$pid" 2> /dev/null || true
    for _ in $(seq 50); do  # until it is gone, or left to whoever started it
      grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$pid/status" || break
      sleep 0.1
    done
    rm -f "$file"
  done
  rm -f "$dir/slurm.conf"
}

case "${1:-}" in
  install) install_packages ;;
  up | down)
    [ $# = 2 ] || usage
    mkdir -p "$2"
    dir=$(cd "$2" && pwd)
    if [ "$1" = up ]; then start; else stop; fi
    ;;
  *) usage ;;
esac
