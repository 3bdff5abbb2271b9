#!/usr/bin/env bash
# Train on "two machines": two network namespaces with a cable between them, torchrun in each.
#
#     unshare -rmn bash two_machines.sh PYTHON WORD ...
#
# The words stand behind `chainrule train`. Neither namespace has another way to the other than the cable.
set -euo pipefail
python=$1
shift

ip link set lo up
unshare -n sleep 600 &
second=$!
trap 'kill $second' EXIT
until [ "$(readlink "/proc/$second/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add cable type veth peer name cable netns "$second"
ip addr add 10.9.0.1/24 dev cable
ip link set cable up
there() { nsenter -t "$second" -n "$@"; }
there ip addr add 10.9.0.2/24 dev cable
there ip link set cable up
there ip link set lo up

export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 GLOO_SOCKET_IFNAME=cable
words=(-m torch.distributed.run --nnodes 2 --nproc-per-node 1 --rdzv-backend c10d --rdzv-endpoint 10.9.0.1:29400
  --rdzv-id two)
# The hosts' name is one here, and leads to neither: who keeps the meeting place is said.
there "$python" "${words[@]}" --rdzv-conf is_host=false --local-addr 10.9.0.2 -m chainrule train "$@" &
other=$!
"$python" "${words[@]}" --rdzv-conf is_host=true --local-addr 10.9.0.1 -m chainrule train "$@"
wait $other
