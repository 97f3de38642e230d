#!/bin/sh
# Installs everything that building and testing Tenon needs on Debian 12: packages of the distribution by name (as root or through sudo),
# and Python packages in .venv. Where all is present it changes nothing and does not touch the network.
#
#   scripts/bootstrap.sh            Debian packages and .venv
#   scripts/bootstrap.sh test       also what only the tests need
#   scripts/bootstrap.sh bench      also bench/.venv, with the peers that the benchmarks compare to
set -eu
cd "$(dirname "$0")/.."

security=/etc/apt/sources.list.d/debian-security.list
lists=scripts/packages.txt
if [ "${1-}" = test ]; then
  lists="$lists scripts/packages-test.txt"
fi
# shellcheck disable=SC2086 # a list of files
wanted=$(cat $lists | sed 's/#.*//')
missing=
for package in $wanted; do
  case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
    ii*) ;;
    *) missing="$missing $package" ;;
  esac
done

if [ -n "$missing" ]; then
  echo "bootstrap: installing$missing"
  sudo=
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "bootstrap: run as root, or install sudo; missing packages:$missing" >&2; exit 1; }
    sudo=sudo
  fi
  $sudo apt-get update -q
  # LLVM 22 comes through Debian 12's security archive, which a minimal installation may not list.
  if ! apt-cache show llvm-22-dev >/dev/null 2>&1; then
    echo "bootstrap: adding Debian's security archive to the apt sources: $security"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian-security bookworm-security main" |
      $sudo tee "$security" >/dev/null
    $sudo apt-get update -q
  fi
  # shellcheck disable=SC2086 # a list of words
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing || {
    echo "bootstrap: apt-get could not install them: are the suites 'bookworm' and 'bookworm-security' of Debian 12 in the apt sources?" >&2
    exit 1
  }
fi

# Makes the environment $1 hold exactly the packages pinned in $2; a copy of the pins inside says what it holds.
environment() {
  cmp -s "$2" "$1/.pins" && return
  echo "bootstrap: Python packages of $2 into $1"
  [ -x "$1/bin/python" ] || python3 -m venv "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$2"
  cp "$2" "$1/.pins"
}
environment .venv scripts/requirements.txt
if [ "${1-}" = bench ]; then
  environment bench/.venv bench/requirements.txt
fi
