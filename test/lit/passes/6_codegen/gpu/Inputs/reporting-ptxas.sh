#!/bin/sh
# ptxas, whose report of registers, shared memory and spills goes to $PTXAS_REPORT.
case "$*" in *--version*) exec ptxas "$@" ;; esac
exec ptxas -v "$@" 2>>"$PTXAS_REPORT"
