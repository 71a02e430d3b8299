# Sourced by the tests that are scripts: what they say of each step. $work is their scratch directory, whose logs are shown
# when one fails.

passed() { printf 'ok   %s\n' "$*"; }
skipped() { printf 'skip %s\n' "$*"; }
failed() {
  printf 'FAIL %s\n' "$*" >&2
  tail -n 100 "$work"/*.log >&2 || true
  exit 1
}
# step NAME COMMAND …: quiet unless it fails.
step() {
  local name=$1
  shift
  "$@" >"$work/step.log" 2>&1 || failed "$name"
  passed "$name"
}
