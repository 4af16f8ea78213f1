# What every bats file loads: where things are, and a few words to test with.
bats_require_minimum_version 1.8.0

: "${HG_TOP:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
: "${HG_BUILD:=$HG_TOP/build/gcc}"
: "${HG_T:=$HG_TOP/t}"
export HG_TOP HG_BUILD HG_T
case $PATH in
"$HG_BUILD"/bin:* | "$HG_TOP"/bin:*) ;;
*) PATH=$HG_TOP/bin:$PATH ;;
esac
SHARED=$HG_TOP/../shared
PYTHON=/usr/bin/python3

# Tests that read reference data say skip where it is absent.
need_shared() {
	[ -d "$SHARED" ] || skip "no ../shared here"
}

# until_true SECONDS COMMAND...: poll a condition; a deadline instead of a sleep.
until_true() {
	local end=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		read -r -t 0.02 <> <(:) || :
	done
}
