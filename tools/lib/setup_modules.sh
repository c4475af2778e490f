# shellcheck shell=bash
# Sourced by tools/setup: @std and the npm packages.
#
# deno.json names the real @std. Where its registry does not answer, deno.offline.json (generated, not
# committed) is deno.json plus a link to the stand-ins in tools/std, locked by deno.lock. Where it does
# answer, deno.online.lock (generated too) starts from deno.lock, so that npm packages stay the same ones.

jsr_answers() {
  DENO_DIR=$scratch/jsr timeout 5 "$deno" cache -q --no-config --no-lock jsr:@std/assert@^1.0.0 >/dev/null 2>&1
}

choose_std() {
  if jsr_answers; then
    note "@std: the real one"
    rm -f "$root/deno.offline.json"
    "$deno" run -q --no-config --allow-read --allow-write "$root/tools/lib/modules_config.ts" online "$root"
  else
    note "@std: its registry does not answer; linking the stand-ins in tools/std"
    "$deno" run -q --no-config --allow-read --allow-write "$root/tools/lib/modules_config.ts" offline "$root"
  fi
}

modules_key() {
  (cd "$root" && cat deno.json deno.lock tools/versions.env tools/lib/modules_config.ts tools/std/*/deno.json; echo "$root") |
    sha256sum | cut -d' ' -f1
}

std_is_chosen() {
  [ -e "$root/deno.offline.json" ] || [ -e "$root/deno.online.lock" ]
}

setup_modules() {
  local key stamp
  key=$(modules_key) stamp=$cache/modules-$(sha256sum <<<"$root" | cut -c1-16)
  if [ -z "$force" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$key" ] && std_is_chosen; then
    step "modules: present"
    return
  fi
  step "modules: @std and npm packages"
  choose_std
  (cd "$root" && "$root/tools/deno" install -q && "$root/tools/deno" --http2 install -q) >"$scratch/modules.log" 2>&1 ||
    die "could not install the modules that deno.json names" "$(grep -m 1 . "$scratch/modules.log")"
  echo "$key" >"$stamp"
}
