# Ledgers of runs that were never trained: for suites that set L to the ledger and JUDGED_DATA to a place for data.

# scored RUN BPB [KEY=VALUE...]: a run directory as a scored run leaves it.
scored() {
	"$PYTHON" "$HG_TOP/t/tools/judged_run.py" "$@"
}

add() {
	hg-ledger add "$L" "$@" > added
}

field() {
	hg-ledger show "$L" "$1" | jq -r "$2"
}

# five seeds of one configuration, with what SET says, and the lane's noise known from them
calibrated() {
	local i=0 bpb
	for bpb in 2.300 2.310 2.295 2.305 2.301; do
		i=$((i + 1))
		# shellcheck disable=SC2086
		scored "runs/base$i" $bpb seed=$i $SET
		add "runs/base$i"
	done
	hg-ledger calibrate "$L" runs/base1 > calibration
}

# The policy holds bytes against a gain, too.
guard_bytes() {
	jq '.guarded += [{name: "total_bytes", direction: "lower", tolerance: 0.02}]' "$L/policy.json" > p
	mv p "$L/policy.json"
}

# A training that is over at once: the score is the configuration's and the seed's (a gain of ten times matrix_lr's rise).
pretend() {
	mkdir -p bin
	cat > bin/hg-run <<-END
	#!/bin/sh
	[ "\$1" != -i ] || shift
	ledger=\$2 run=\$3
	bpb=\$($PYTHON -c 'import json, random, sys
	s = json.load(open(sys.argv[1] + "/spec.json"))["train"]
	which = s.get("data_offset", 0) if s["init_from"] else s["seed"]
	print(2.3 - 10 * (s["matrix_lr"] - 0.04) + random.Random(which).gauss(0, ${NOISE:-0.006}))' "\$run")
	hg-ledger take -p "\$ledger" "\$run" > /dev/null
	$PYTHON "$HG_TOP/t/tools/judged_run.py" "\$run" "\$bpb" \$PRETEND && hg-ledger add "\$ledger" "\$run" > "\${ADDED:-/dev/null}"
	END
	chmod +x bin/hg-run
	PATH=$PWD/bin:$PATH
}

# scorer COMMAND: an hg-score beside an hg-ledger, which asks that one alone
scorer() {
	[ -e bin/hg-ledger ] || cp "$(command -v hg-ledger)" bin/
	printf '#!/bin/sh\n%s\n' "$1" > bin/hg-score
	chmod +x bin/hg-score
	hash -r
}

# A challenger whose gain was confirmed, and a scorer that agrees.
confirmed() {
	calibrated
	pretend
	scored runs/good 2.23 train.matrix_lr=0.0460
	add runs/good
	hg-confirm "$L" runs/good > out 2> err
	scorer 'exit 0'
}

# rescored RUN: its report says another score, and its summary is of that report
rescored() {
	jq '.val_bpb += 0.001' "$1/artifact_score_report.json" > report
	jq --arg digest "$(sha256sum < report | cut -d ' ' -f 1)" '.val_bpb += 0.001 | .score_report_sha256 = $digest' \
		"$1/artifact_score_summary.json" > summary
	mv report "$1/artifact_score_report.json"
	mv summary "$1/artifact_score_summary.json"
}
