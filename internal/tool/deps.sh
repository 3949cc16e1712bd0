#!/usr/bin/env bash
# Installs the real servers and clients that tests and benchmarks use, when they are missing and this is root on a
# Debian-like system. Otherwise it says what to install and stops.
set -euo pipefail

# command:package
needed=(curl:curl nginx:nginx-light haproxy:haproxy wrk:wrk h2load:nghttp2-client)

missing=()
for entry in "${needed[@]}"; do
  PATH=$PATH:/usr/sbin:/sbin command -v "${entry%%:*}" >/dev/null || missing+=("${entry##*:}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "Missing for the tests: ${missing[*]}. Install these (Debian's package names) and run again:" >&2
  echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# The packages' own services are not wanted: the tests start these programs themselves, on private ports.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
