#!/usr/bin/env bash
# Installs the SOAP clients of other languages that the acceptance tests call with. May be run
# again at any time. Where Debian's packages or npm's or Maven's are not to be had, it says so and
# goes on: the tests of those clients are then skipped, or fail in CI.
set -euo pipefail
cd "$(dirname "$0")"
. ../installing.sh

PACKAGES=(
    php-cli php-soap
    perl libsoap-lite-perl
    python3-suds
    gsoap libgsoap-dev g++
    curl
)

main() {
    together install_debian install_node install_java
}

install_debian() {
    install_packages "${PACKAGES[@]}"
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

main
