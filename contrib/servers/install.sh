#!/usr/bin/env bash
# Installs the servers that the tests start: S3 and SQS on this machine. May be run again at any
# time. With --ceph it installs radosgw too (195 MB). Where something is not to be had, it says so
# and goes on: the tests on that server are then skipped, or fail in CI.
set -euo pipefail
cd "$(dirname "$0")"
. ../installing.sh

MINISTACK=1.5.33
MOTO=5.2.5
MINIO=v0.0.0-20250422221226-0d7408fc9969
CEPH=(radosgw ceph-mon ceph-osd ceph-common curl)

main() {
    together install_ministack install_moto install_elasticmq install_minio install_tools
    if [ "${1:-}" = --ceph ]; then
        install_or_say "${CEPH[@]}"
    fi
}

# Environments of their own: ministack pins botocore to one version.
install_ministack() {
    install_python ministack "ministack==$MINISTACK"
}

install_moto() {
    install_python moto "moto[server,s3,sqs]==$MOTO"
}

# Clocks that are hours off; what is opened; certificates.
install_tools() {
    install_or_say libfaketime strace openssl
}

install_python() {
    local name=$1 requirement=$2 folder=.venv-$1
    [ -x "$folder/bin/python" ] || python3 -m venv "$folder"
    quietly "$folder/bin/python" -m pip install -q --disable-pip-version-check "$requirement" ||
        echo "pip failed: $name is not installed"
}

install_elasticmq() {
    if ! has mvn java; then
        echo "no Maven or no Java here: ElasticMQ is not installed"
        return
    fi
    (cd elasticmq && alone servers quietly mvn -B -q dependency:copy-dependencies) ||
        echo "Maven failed: ElasticMQ is not installed"
}

install_minio() {
    if ! has go; then
        echo "no Go here: MinIO is not installed"
        return
    fi
    if go version -m bin/minio 2>/dev/null | grep -q "github.com/minio/minio[[:space:]]$MINIO"; then
        return
    fi
    # The toolchain that is here: MinIO's own choice would be one more download.
    GOTOOLCHAIN=local GOBIN="$PWD/bin" quietly go install "github.com/minio/minio@$MINIO" ||
        echo "Go failed: MinIO is not installed"
}

install_or_say() {
    install_packages "$@" || echo "apt-get failed: not installed: $*"
}

main "$@"
