#!/usr/bin/env bash
# One node of Ceph with radosgw, an S3 store, on the loopback interface; everything in one folder.
#
#   ceph.sh start FOLDER [PORT]   prints the endpoint once it answers; the key is test, secret test
#   ceph.sh stop FOLDER
#
# The monitor listens on the port after PORT. Objects are kept in memory: a stopped node is gone.
set -euo pipefail

DAEMONS=(client.rgw.a osd.0 mon.a)
SECONDS_TO_START=90

main() {
    case "$#:${1:-}" in
        2:start | 3:start) start "$2" "${3:-7480}" ;;
        2:stop) stop "$2" ;;
        *)
            echo "usage: $0 start FOLDER [PORT] | stop FOLDER" >&2
            exit 2
            ;;
    esac
}

start() {
    local port=$2
    mkdir -p "$1"
    folder=$(cd "$1" && pwd)
    conf=$folder/ceph.conf
    if [ -e "$conf" ]; then
        echo "$folder holds a node already: stop it first" >&2
        exit 1
    fi
    trap failed EXIT
    mkdir "$folder"/{mon,osd,rgw,log,run}
    settings "$port" $((port + 1)) >"$conf"
    start_monitor $((port + 1))
    start_store
    start_gateway "$port"
    trap - EXIT
    echo "http://127.0.0.1:$port"
}

settings() {
    cat <<EOF
[global]
fsid = $(uuid)
mon host = [v2:127.0.0.1:$2]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
# Not none: radosgw would never get its first answer from the monitor.
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = $folder/keyring
log file = $folder/log/\$name.log
pid file = $folder/run/\$name.pid
run dir = $folder/run
# The path of a socket may not be longer than 107 bytes: a folder's may.
admin socket =
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 2000
# Per cent of the disk that must be free: Ceph's own 5 and 30 stop it on a well used machine.
mon data avail crit = 1
mon data avail warn = 2

[mon.a]
mon data = $folder/mon

[osd.0]
osd data = $folder/osd
osd objectstore = memstore
memstore device bytes = 1073741824

[client.rgw.a]
# Without tcp_nodelay every GET and DELETE takes 40 ms.
rgw frontends = beast endpoint=127.0.0.1:$1 tcp_nodelay=1
rgw data = $folder/rgw
rgw dns name = localhost
rgw thread pool size = 64
rgw enable usage log = false
EOF
}

start_monitor() {
    local map=$folder/monmap fsid
    fsid=$(sed -n 's/^fsid = //p' "$conf")
    step monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$1]" "$map"
    step ceph-authtool --create-keyring "$folder/keyring" --gen-key -n mon. --cap mon 'allow *'
    step ceph-authtool "$folder/keyring" --gen-key -n client.admin \
        --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    step ceph-mon -c "$conf" -i a --mkfs --monmap "$map" --keyring "$folder/keyring"
    step ceph-mon -c "$conf" -i a
}

start_store() {
    local id
    id=$(uuid)
    step ask osd new "$id" 0
    ask auth get-or-create osd.0 mon 'allow profile osd' osd 'allow *' >>"$folder/keyring"
    # With another id than the monitor knows, the store would be "booting" for ever.
    step ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$id"
    step ceph-osd -c "$conf" -i 0
    await store_is_up
}

start_gateway() {
    ask auth get-or-create client.rgw.a mon 'allow rw' osd 'allow rwx' >>"$folder/keyring"
    step radosgw -c "$conf" -n client.rgw.a
    await curl -s -o /dev/null "http://127.0.0.1:$1"
    step timeout 60 radosgw-admin -c "$conf" user create --uid=test --display-name=test \
        --access-key=test --secret-key=test
}

stop() {
    local folder pid
    folder=$(cd "$1" && pwd)
    for daemon in "${DAEMONS[@]}"; do
        pid=$(cat "$folder/run/$daemon.pid" 2>/dev/null) || continue
        # Only a daemon of this folder: its number may be another process's by now.
        if is_ours "$pid"; then
            kill "$pid"
            for _ in $(seq 100); do
                is_ours "$pid" || break
                sleep 0.1
            done
            ! is_ours "$pid" || kill -9 "$pid"
        fi
    done
    rm -f "$folder/ceph.conf"
    rm -rf "$folder"/{mon,osd,rgw,run,keyring,monmap}
}

is_ours() {
    tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF -- "$folder/ceph.conf"
}

ask() {
    timeout 30 ceph -c "$conf" "$@"
}

store_is_up() {
    ask osd stat -f json | grep -q '"num_up_osds":1'
}

await() {
    local until=$((SECONDS + SECONDS_TO_START))
    until "$@" 2>/dev/null; do
        if [ $SECONDS -ge $until ]; then
            echo "not in $SECONDS_TO_START seconds: $*" >&2
            return 1
        fi
        sleep 0.2
    done
}

# Runs a command; what it writes goes into a log.
step() {
    "$@" >>"$folder/log/start.log" 2>&1
}

failed() {
    echo "Ceph did not start:" >&2
    tail -n 20 "$folder/log/start.log" >&2 || true
    stop "$folder"
    exit 1
}

uuid() {
    cat /proc/sys/kernel/random/uuid
}

main "$@"
