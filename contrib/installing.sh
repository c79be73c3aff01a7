# What the installers beside this file have in common: they read it, in folders of their own.

PLACES=$(cd .. && pwd)

# Installs packages of Debian that are missing; fails where that fails. Without apt, it says so.
install_packages() {
    local missing=() as_root=()
    if ! has apt-get dpkg-query; then
        echo "no apt-get here: not installed: $*"
        return
    fi
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} = 0 ]; then
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo -n)
    fi
    export DEBIAN_FRONTEND=noninteractive
    alone clients "${as_root[@]}" apt-get update -qq || true
    # Not quiet enough with -qq alone: dpkg writes a line for each package.
    alone clients quietly "${as_root[@]}" apt-get install -qq -y --no-install-recommends "${missing[@]}"
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Runs a command while no other of its kind runs, of this installer or of another: apt and
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
