#!/usr/bin/env bash
# Measures rsyslog and syslog-ng beside auditlogd, with the load generator of the pipeline's bench: about ten minutes, on
# Debian 12 for x86-64. Their packages are only unpacked, below target/peers: nothing is installed, no service is started, and
# no root is needed.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/peers/packages"
target=$(realpath "$target")
cd "$target/peers/packages"
apt-get download --quiet rsyslog libestr0 libfastjson4 liblognorm5 syslog-ng-core libivykis0 libnet1
for package in *.deb; do
    dpkg-deb --extract "$package" "$target/peers/root"
done
cd "$OLDPWD"
cargo bench --bench pipeline -- peers "$target/peers/root"
