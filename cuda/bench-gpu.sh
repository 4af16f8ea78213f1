#!/bin/sh
# bench-gpu.sh BUILD: how fast this machine's card is, and where the time goes.
# All that is printed is in bench-gpu.txt too.

report=bench-gpu.txt

{ . cuda/machine.sh; "$1/device/bench"; echo "exit status $?"; } 2>&1 | tee "$report"
echo "to send back: $PWD/$report" >&2
[ "$(tail -n 1 "$report")" = "exit status 0" ]
