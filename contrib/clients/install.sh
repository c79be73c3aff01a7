#!/usr/bin/env bash
# Installs the SOAP clients of other languages that the acceptance tests call with. May be run
# again at any time. Where Debian's packages or npm's or Maven's are not to be had, it says so and
# goes on: the tests of those clients are then skipped, or fail in CI.
set -euo pipefail
cd "$(dirname "$0")"

PLACES=$(cd .. && pwd)
PACKAGES=(
    php-cli php-soap
    perl libsoap-lite-perl
    python3-suds
    gsoap libgsoap-dev g++
    curl
)

main() {
    together install_packages install_node install_java
}

install_packages() {
    local missing=() as_root=()
    if ! has apt-get dpkg-query; then
        echo "no apt-get here: ${PACKAGES[*]} are not installed"
        return
    fi
    for package in "${PACKAGES[@]}"; do
        is_installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} = 0 ]; then
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo -n)
    fi
    export DEBIAN_FRONTEND=noninteractive
    alone clients "${as_root[@]}" apt-get update -qq
    # Not quiet enough with -qq alone: dpkg writes a line for each package.
    alone clients quietly "${as_root[@]}" apt-get install -qq -y --no-install-recommends "${missing[@]}"
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_node() {
    if ! has npm; then
        echo "no npm here: the client for node is not installed"
        return
    fi
    (cd node && quietly npm ci --no-audit --no-fund --ignore-scripts)
}

install_java() {
    if ! has mvn javac; then
        echo "no Maven or no JDK here: the client for Java is not installed"
        return
    fi
    # What CI may go without.
    for folder in java cxf wss4j; do
        (cd $folder && alone servers quietly mvn -B -q dependency:copy-dependencies) ||
            echo "Maven failed: the client in $folder is not installed"
    done
}

# Runs a command while no other of its kind runs, of this script or of the one beside it: apt and
# Maven's repository take one at a time. A folder is the lock.
alone() {
    local folder=$PLACES/$1
    shift
    if has flock; then
        (flock 9 && "$@") 9<"$folder"
    else
        "$@"
    fi
}

# Runs functions at once, which wait for the network most of their time; fails where one fails.
together() {
    local task status=0 started=()
    for task in "$@"; do
        "$task" &
        started+=($!)
    done
    for task in "${started[@]}"; do
        wait "$task" || status=1
    done
    return $status
}

has() {
    command -v "$@" >/dev/null && [ "$(command -v "$@" | wc -l)" = $# ]
}

# Runs a command, and shows what it wrote only where it failed.
quietly() {
    local output
    if ! output=$("$@" 2>&1); then
        echo "$output" >&2
        return 1
    fi
}

main
