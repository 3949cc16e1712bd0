#!/usr/bin/env bash
# Runs `go mod tidy` (or `go get ARGS`) in the modules of this repository. The modules require each other at a version
# that is not published yet, and go.mod may hold no replace, so the work is done on a copy that has them.
#
#   internal/tool/tidy.sh                       tidy every module
#   internal/tool/tidy.sh bench                 tidy one
#   internal/tool/tidy.sh server get PKG@VER    add a dependency to one
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

with_replaces() { # DIR COMMAND...
  local dir=$1 copy
  shift
  copy=$(mktemp -d)
  cp "$dir/go.mod" "$copy/go.mod"
  [ -f "$dir/go.sum" ] && cp "$dir/go.sum" "$copy/go.sum"
  (
    cd "$dir"
    export GOWORK=off
    for module in "" /adapters/grpc /adapters/otel /adapters/prometheus /examples /server; do
      go mod edit -replace "github.com/gabion-io/gabion$module=$root$module" "$copy/go.mod"
    done
    go mod edit -replace "google.golang.org/genproto=$(sed -n 's|^replace google.golang.org/genproto => \(.*\) \(.*\)|\1@\2|p' "$root/go.work")" "$copy/go.mod"
    go "$@" -modfile="$copy/go.mod" "${extra[@]}"
    for module in "" /adapters/grpc /adapters/otel /adapters/prometheus /examples /server; do
      go mod edit -dropreplace "github.com/gabion-io/gabion$module" "$copy/go.mod"
    done
    go mod edit -dropreplace google.golang.org/genproto "$copy/go.mod"
  )
  cp "$copy/go.mod" "$dir/go.mod"
  if [ -f "$copy/go.sum" ]; then grep -v '^github.com/gabion-io/gabion' "$copy/go.sum" >"$dir/go.sum" || true; fi
  rm -rf "$copy"
}

extra=()
if [ $# -eq 1 ]; then
  with_replaces "$1" mod tidy
elif [ $# -gt 0 ]; then
  dir=$1
  extra=("${@:3}")
  with_replaces "$dir" get
else
  for dir in . adapters/* examples server bench test; do with_replaces "$dir" mod tidy; done
fi
