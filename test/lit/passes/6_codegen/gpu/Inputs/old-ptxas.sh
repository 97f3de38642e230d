#!/bin/sh
# Says that it is an early release; assembles nothing.
echo "Cuda compilation tools, release 11.4, V11.4.48"
