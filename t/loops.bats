# The ledgers that people already have: which of their keeps are real.
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	L=$PWD/ledger
}

F=$HG_TOP/../shared/fixtures/loops

need_fixtures() {
	[ -d "$F" ] || skip "no ../shared/fixtures/loops here"
}

rows() {
	jq -c 'select(.kind == "import").import' "$L/ledger.jsonl"
}

# told [SOURCE] [OPTION...]: import a source with the options into a fresh ledger, and replay it into ./out.
told() {
	local source=$1
	shift
	rm -rf "$L"
	hg-ledger import "$@" "$L" "$source" > found 2> said
	hg-ledger replay "$L" > out
}

says() {
	grep -qF -- "$1" "${2:-out}" || { echo "nowhere: $1" >&2; cat "${2:-out}" >&2; false; }
}

says_not() {
	! grep -qF -- "$1" "${2:-out}" || { echo "there: $1" >&2; false; }
}

# table LINE...: ./results.tsv of commit, val_bpb, status and description, whose cells are parted by semicolons here.
table() {
	printf 'commit\tval_bpb\tstatus\tdescription\n' > results.tsv
	printf '%s\n' "$@" | tr ';' '\t' >> results.tsv
}

# --- the metric -----------------------------------------------------------------

# bats test_tags=b97
@test "an import without a metric adds nothing, says the columns and the command, and the right one still works" {
	printf 'commit\tval_acc\tmemory_gb\tstatus\tdescription\n1111111\t0.710\t3.1\tkeep\tbaseline\n' > results.tsv
	printf '2222222\t0.742\t3.1\tkeep\twider\n2222222\t0.731\t3.1\tdiscard\tdropout\n' >> results.tsv
	run --separate-stderr hg-ledger import "$L" results.tsv
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"no column val_bpb; number columns: val_acc, memory_gb; its author's 3 decisions fit val_acc, higher: -M val_acc"* ]]
	[[ "$stderr" == *"next: hg-ledger import -M val_acc $L results.tsv"* ]]
	[ "$(rows | wc -l)" -eq 0 ]
	hg-ledger import -M val_acc "$L" results.tsv > found 2> said
	[ "$(rows | jq -r '.metric + .direction' | sort | uniq -c | tr -s ' ')" = " 3 val_acchigher" ]
	# The table keeps its metric when it grows.
	printf '4444444\t0.760\t3.1\tkeep\tdeeper\n' >> results.tsv
	hg-ledger import "$L" results.tsv > found 2> said
	says '1 row added' found
	hg-ledger import -M val_acc "$L" results.tsv > found 2> said
	says '0 rows added' found
	hg-ledger replay "$L" > out
	says 'Best: line 5 with 0.76.'
}

# bats test_tags=b97
@test "an import by the wrong column is taken back by the right one, whichever comes first" {
	table '1111111;1.40;keep;baseline' '2222222;1.38;keep;x' '3333333;1.39;discard;y'
	sed -i 's/description/description\tmemory_gb/; 2,$s/$/\t9.0/' results.tsv
	hg-ledger import -m memory_gb "$L" results.tsv > found 2> said
	hg-ledger import -m val_bpb "$L" results.tsv > found 2> said
	says '3 rows added' found
	[ "$(hg-ledger replay -j "$L" | jq -r .verdict | sort | uniq -c | awk '$2 == "revised" { print $1 }')" -eq 3 ]
	hg-ledger replay "$L" > out
	says 'Best: line 3 with 1.38.'
}

# bats test_tags=b97
@test "another column is looked at without importing again, by replay, list and hg-report" {
	table '1111111;1.40;keep;baseline' '2222222;1.38;keep;x'
	sed -i 's/description/description\ttokens_s/; 2s/$/\t500/; 3s/$/\t400/' results.tsv
	told results.tsv
	sha256sum < "$L/ledger.jsonl" > before
	hg-ledger replay -M tokens_s "$L" > out
	says 'tokens_s of table results.tsv'
	says 'Best: line 2 with 500'
	hg-ledger list -M tokens_s "$L" > out
	says '400.000000'
	hg-report -M tokens_s -o page.html "$L"
	says 'tokens_s of the table' page.html
	# The column is meant as an import means it: however its name is written, by its last part, or by its place.
	hg-ledger replay -M 'Tokens S' "$L" > out
	says 'Best: line 2 with 500'
	printf '{"run": %s, "val_bpb": 1.%s, "eval": {"acc": 0.%s}, "status": "keep"}\n' 1 5 7 2 4 8 > nested.jsonl
	hg-ledger import nested nested.jsonl > found 2> said
	hg-ledger replay -M acc nested > out
	says 'Best: run 2 with 0.8'
	printf '1111111\t1.4\t90\tkeep\n2222222\t1.3\t80\tkeep\n' > bare.tsv
	hg-ledger import -m 2 bare bare.tsv > found 2> said
	hg-ledger replay -M 3 bare > out
	says 'Best: line 1 with 90'
	for tool in "hg-ledger replay" "hg-ledger list" "hg-report"; do
		run --separate-stderr $tool -M nothing "$L"
		[ "$status" -eq 103 ]
		[[ "$stderr" == *"no imported table has a column 'nothing'; columns with numbers: val_bpb"* ]]
		run $tool -M a -m b "$L"
		[ "$status" -eq 100 ]
	done
	for how in "-s -m val_bpb" "-a -m val_bpb" "-j -s -m val_bpb"; do
		run hg-ledger list $how "$L"
		[ "$status" -eq 100 ]
	done
	sha256sum < "$L/ledger.jsonl" | cmp - before
}

# bats test_tags=b99
@test "a metric is taken from many decisions that fit one column alone, aloud; from few, or where two fit, it is asked for" {
	local i
	printf 'commit\troc_auc\tseconds\tstatus\tdescription\n' > results.tsv
	for i in 0.50:9:keep 0.49:7:discard 0.55:8:keep 0.54:9:discard 0.53:6:discard 0.60:9:keep 0.58:7:discard 0.61:9:keep; do
		printf 'aaaaaa%s\t%s\t%s\t%s\tx%s\n' "$((n += 1))" ${i//:/ } "$n" | tr ' ' '\t' >> results.tsv
	done
	told results.tsv
	says "metric roc_auc, higher is better, as nothing else fits what its author decided: 8 of 8 decisions of its author fit" said
	# A twin column fits as well: nobody knows which is meant.
	awk -F'\t' -v OFS='\t' 'NR == 1 { print $0, "f1"; next } { print $0, $2 / 2 }' results.tsv > twin.tsv
	run --separate-stderr hg-ledger import "$PWD/twin" twin.tsv
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"they fit f1, higher, as well"* ]]
	# One decision that does not fit leaves it open.
	printf 'bbbbbbb\t0.40\t9\tkeep\tsimpler\n' >> results.tsv
	run --separate-stderr hg-ledger import "$PWD/open" results.tsv
	[ "$status" -eq 103 ]
}

# bats test_tags=b97
@test "what stood before, settings and counters are no candidates for the metric where there are others" {
	printf 'iteration\tnumber\tacc\tbaseline_acc\tbest_acc\tconfig.lr\tstatus\tdescription\n' > results.tsv
	printf '1\t1\t0.71\t0.70\t0.71\t0.1\tkeep\ta\n2\t2\t0.74\t0.71\t0.74\t0.2\tkeep\tb\n' >> results.tsv
	printf '3\t3\t0.73\t0.74\t0.74\t0.3\tdiscard\tc\n' >> results.tsv
	run --separate-stderr hg-ledger import "$L" results.tsv
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"number columns: acc; its author's 3 decisions fit acc, higher: -M acc"* ]]
	[[ "$stderr" != *"as well"* ]]
	# They can be named all the same, and are listed where there is nothing else.
	hg-ledger import -M best_acc other results.tsv > found 2> said
	says '3 rows added' found
	cut -f 1,2,7,8 results.tsv > bare.tsv
	run --separate-stderr hg-ledger import bare bare.tsv
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"number columns: number; name one"* ]]
}

# bats test_tags=b99
@test "where one decision in ten has another reason the column is still named with its count, luck in few lines is not" {
	local i
	# Three of 20 were kept or discarded for something else; the cost fits nothing.
	printf 'commit\ttok_s\tvram\tstatus\tdescription\n' > results.tsv
	for i in 5.0:30:keep 4.8:31:discard 5.4:32:keep 5.1:30:discard 5.3:33:keep 5.2:29:discard 5.9:31:keep 6.2:35:discard \
	    5.5:30:discard 5.7:31:discard 6.4:36:keep 6.1:32:discard 6.0:31:discard 6.3:30:discard 6.8:33:keep 6.5:31:discard; do
		printf 'aaaaaa%s\t%s\t%s\t%s\tx%s\n' "$((n += 1))" ${i//:/ } "$n" | tr ' ' '\t' >> results.tsv
	done
	run --separate-stderr hg-ledger import "$L" results.tsv
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"number columns: tok_s, vram; 14 of its author's 16 decisions fit tok_s, higher: -M tok_s"* ]]
	[[ "$stderr" == *"next: hg-ledger import -M tok_s $L results.tsv"* ]]
	[ "$(rows | wc -l)" -eq 0 ]
	# Columns without names are called by their places, and what is the same in all lines is no metric.
	awk -F'\t' -v OFS='\t' 'NR > 1 { print $1, 397, $2, $3, $4, $5 }' results.tsv > bare.tsv
	run --separate-stderr hg-ledger import "$L" bare.tsv
	[[ "$stderr" == *"text: name the column, -M 3; 14 of its author's 16 decisions fit column 3, higher"* ]]
	[[ "$stderr" == *"next: hg-ledger import -M 3 $L bare.tsv"* ]]
	awk -F'\t' -v OFS='\t' '{ print $1, $2, $3, "noted", $6 }' bare.tsv > bare2.tsv
	run --separate-stderr hg-ledger import "$L" bare2.tsv
	[[ "$stderr" == *"text: name the column, -m 3 or -M 3"* ]]
	# A number that all of few decisions fit by luck is not put forward where another fits all but one.
	printf 'commit\tscore\thumanoid\tstatus\n' > few.tsv
	for i in 0.03:1.39:discard 0.06:1.81:discard 0.09:1.40:keep 0.01:1.42:discard 0.11:1.17:keep 0.10:1.89:discard \
	    0.13:1.33:discard; do
		printf 'aaaaaa%s\t%s\n' "$((n += 1))" "${i//:/	}" >> few.tsv
	done
	run --separate-stderr hg-ledger import "$L" few.tsv
	[[ "$stderr" == *"its author's 7 decisions fit humanoid, lower; 6 of 7 fit score, higher; name one"* ]]
	[[ "$stderr" != *"-m humanoid"* ]]
	# What stood before stands beside what has its unit; settings are none.
	printf 'iteration\tscore_ns\tbaseline_ns\tparams_lr\tstatus\n1\t90\t99\t3\tkeep\n2\t80\t90\t2\tkeep\n' > before.tsv
	printf '3\t85\t80\t2\tdiscard\n' >> before.tsv
	run --separate-stderr hg-ledger import "$L" before.tsv
	[[ "$stderr" == *"number columns: score_ns; its author's 3 decisions fit score_ns, lower: -m score_ns"* ]]
}

# bats test_tags=b99
@test "a metric that the author's decisions do not bear out is doubted, where several tasks stand in one table too" {
	local i=0 v
	printf 'commit\ttask\tval_acc\tstatus\n' > results.tsv
	for v in a:0.90:keep b:0.50:keep c:0.70:keep a:0.89:discard b:0.55:keep c:0.72:keep a:0.91:keep b:0.54:discard \
	    c:0.71:discard a:0.92:keep b:0.60:keep c:0.73:keep; do
		printf '%07x\t%s\n' "$((i += 1))" "${v//:/	}" >> results.tsv
	done
	told results.tsv -M val_acc
	says 'Only 6 of 12 decisions of its author fit val_acc, higher is better: something else was decided by, too'
	hg-report -o page.html "$L"
	says 'Only 6 of 12 decisions' page.html
	# Cut by its tasks, each fits.
	for v in a b c; do
		awk -v t="$v" 'NR == 1 || $2 == t' results.tsv > "$v.tsv"
		told "$v.tsv" -M val_acc
		says_not 'something else'
	done
	# A loop that keeps records and throws away the rest is not doubted, for one kept for another reason.
	table $(for i in 1 2 3 4 5 6 7 8; do echo "000000$i;1.$((9 - i))0;keep;k$i 000001$i;1.95;discard;d$i"; done) \
	    '0000021;1.5;keep;simpler'
	told results.tsv
	says_not 'something else'
}

@test "what still runs or was stopped early has no result yet, and what was promoted was kept" {
	printf 'number,val_acc,state\n0,0.71,COMPLETE\n1,0.99,PRUNED\n2,0.74,COMPLETE\n3,0.98,RUNNING\n4,,WAITING\n' > trials.csv
	told trials.csv -M val_acc
	says 'Best: line 4 with 0.74.'
	[ "$(hg-ledger replay -j "$L" | jq -r 'select(.verdict == "invalid").reason' | uniq -c | tr -s ' ')" = ' 3 unfinished' ]
	[ ! -s found ] || says_not 'unknown_status' found
	says_not 'no_score' found
	# Nor has it in another column.
	awk '{ print (NR == 1 ? "f1" : NR) "," $0 }' trials.csv > more.csv
	told more.csv -M val_acc
	hg-ledger replay -M f1 "$L" > out
	says 'Best: line 4 with 4.'
	table '1111111;1.400;promote;a' '2222222;1.390;APPROVED;b' '3333333;1.395;rejected;c'
	told results.tsv
	says 'Of 1 keep 0 are real'
	says '3 of 3 decisions of its author fit' said
}

@test "a line is called by what tells it from the others: its name, or what stands for a commit and is none" {
	local i
	printf 'commit\tval_bpb\tstatus\tdescription\nexp0_base\t1.400\tkeep\tplain\nexp1_rate\t1.390\tkeep\thigher rate\n' > results.tsv
	printf 'exp2_wide\t1.395\tdiscard\twider\nnone\t1.41\tdiscard\tsmaller\n1111111\t1.42\tdiscard\tdeeper\n' >> results.tsv
	told results.tsv
	says 'Best: exp1_rate with 1.39.'
	says 'To settle exp1_rate (0.01 better than exp0_base)'
	says '"rerun of exp0_base seed=1" or "rerun of exp1_rate seed=1"'
	# The name still stands when its reruns, which have it too, outnumber the lines.
	for i in 1 2 3 4; do
		printf 'exp0_base\t1.40%s\tdiscard\trerun of exp0_base seed=%s\nexp1_rate\t1.390%s\tdiscard\trerun of exp1_rate seed=%s\n' \
		    "$i" "$i" "$i" "$i"
	done >> results.tsv
	hg-ledger import "$L" results.tsv > found 2> said
	hg-ledger replay "$L" > out
	says 'Of 1 keep 1 is real'
	says 'Real: exp1_rate'
	# A word that most lines share is no name, and neither is the last step of equally long runs.
	sed '2,$s/^[^\t]*/run_7/' results.tsv > same.tsv
	told same.tsv
	says 'Best: line 3 with 1.39'
	printf 'Name,State,seed,n_layer,iter,val_bpb\n' > table.csv
	for i in 1 2 3; do
		printf 'deep,finished,%s,8,5000,1.40%s\nflat,finished,%s,2,5000,1.30%s\n' "$i" "$i" "$i" "$i"
	done >> table.csv
	told table.csv
	says 'Best: flat with 1.301'
	says 'deep and its repeats: mean 1.402 of 3 runs.'
	says 'flat and its repeats: mean 1.302 of 3 runs; gain over deep 0.1'
	says_not 'run 5000'
}

@test "tables that would print alike are told apart by where they stand" {
	local name='{"type": "config", "name": "s", "metricName": "ms", "bestDirection": "lower"}'
	printf '%s\n' "$name" '{"run": 1, "metric": 100, "status": "keep", "description": "a"}' \
	    "${name/\"s\"/\"t\"}" '{"run": 1, "metric": 90, "status": "keep", "description": "b"}' > log.jsonl
	told log.jsonl
	says 'group 1: ms of table log.jsonl from line 2: 1 rows'
	says 'group 2: ms of table log.jsonl from line 4: 1 rows'
	hg-report -o page.html "$L"
	says 'ms of the table log.jsonl from line 2' page.html
	says 'ms of the table log.jsonl from line 4' page.html
	sed -i 3,4d log.jsonl
	told log.jsonl
	says 'group 1: ms of table log.jsonl: 1 rows'
}

# bats test_tags=b99
@test "a direction that all kept changes contradict is questioned, and one that fits is told with its count" {
	printf 'commit\tval_acc\tstatus\n1111111\t0.710\tkeep\n2222222\t0.742\tkeep\n3333333\t0.73\tdiscard\n' > results.tsv
	hg-ledger import -m val_acc "$L" results.tsv > found 2> said
	says "the author kept 1 of 1 changes that are worse in this direction: -M?" said
	hg-ledger import -M val_acc "$L" results.tsv > found 2> said
	says "3 of 3 decisions of its author fit" said
	says_not "worse in this direction" said
}

# --- what repeats what --------------------------------------------------------------

# bats test_tags=b98
@test "a commit alone repeats nothing, and a line with the commit and digits of another is no second run" {
	table '1111111;1.400;keep;baseline' '1111111;1.460;discard;half the width' '1111111;1.430;discard;no warmup' \
	    '2222222;1.390;keep;higher rate' '2222222;1.390;discard;higher rate (same idea, longer note)'
	told results.tsv
	says 'Noise unknown: no line repeats another'
	says '1 line has the score and the commit of an earlier one'
	says 'Of 1 keep 0 are real, 0 within noise, 1 cannot be told.'
}

# bats test_tags=b98
@test "a rerun that changes something else is no repeat, nor is one that may mean two lines" {
	table '1111111;1.400;keep;baseline' '2222222;1.430;discard;wider' '3333333;1.434;discard;rerun' \
	    '4444444;1.380;discard;rerun of 1111111 with twice the batch' '5555555;1.390;discard;confirm deeper layers help'
	told results.tsv
	says 'Noise unknown: no line repeats another'
	# The baseline is the first line, or what was kept since.
	table '1111111;5.000;keep;baseline' '2222222;4.000;keep;cache' '3333333;3.900;keep;re-run baseline to estimate noise'
	told results.tsv
	says 'Noise unknown: no line repeats another'
}

# bats test_tags=b98
@test "what is run again is known by hash, by seed and settings, by text, by id and by words, and by nothing less" {
	printf 'run_id\tconfig_hash\tval_bpb\nr1\taa\t1.71\nr2\taa\t1.72\nr3\tbb\t1.65\n' > results.tsv
	told results.tsv
	says 'from 1 repeat of 1 configuration'
	printf 'run_id,seed,wd,val_bpb\na,1,0.0,1.484\nb,2,0.0,1.487\nc,1,0.1,1.461\nd,1,0.2,1.455\n' > results.csv
	told results.csv
	says 'from 1 repeat of 1 configuration'
	table '1111111;1.400;keep;baseline seed=0' '2222222;1.406;discard;baseline seed=1' '3333333;1.37;keep;cap 20' \
	    '4444444;1.376;discard;cap 20 (seed 7)' '5555555;1.372;discard;cap 30 (seed 7)'
	told results.tsv
	says 'from 2 repeats of 2 configurations'
	printf 'id\tval_bpb\tstatus\tdescription\n0001_base\t2.52\tkeep\tbaseline\n0002_wide\t2.40\tkeep\twide\n' > results.tsv
	printf '0003_wide_seed42\t2.405\tdiscard\tseed 42\n0004\t2.41\tdiscard\tSEED=7 confirms 0002\n' >> results.tsv
	told results.tsv
	says 'from 2 repeats of 1 configuration'
}

# bats test_tags=b98
@test "runs whose texts say what came out are not grouped by it, since noise would be what is left of it" {
	local v n=0
	# Fifty draws of one state, each written down with its own score, rounded.
	printf '{"type": "config", "name": "s", "metricName": "ops", "bestDirection": "higher"}\n' > log.jsonl
	for v in 139139 137907 138116 137688 141872 141758 136426 140034 140189 143902 141069 140969 139833 140615 139787 \
	    143330 144557 140479 142426 139691 141665 139431 142477 139360 142106 137668 139485 143883 142051 142620; do
		printf '{"run": %s, "commit": "%07x", "metric": %s, "status": "keep", "description": "%s"}\n' "$((n += 1))" \
		    "$((n + 0x1000000))" "$v" "$([ "$n" -eq 1 ] && echo baseline ||
			echo "Confirmation run: $(((v + 500) / 1000))K cmd/s — within noise range")"
	done >> log.jsonl
	told log.jsonl
	# They run one state again, and lie as far apart as they do.
	says 'from 28 repeats of 1 configuration'
	[ "$(grep -o "a run's deviation is [0-9.e+]*" out)" = "a run's deviation is 2.06e+03" ]
	[ "$(grep -cE '[1-9][0-9]* (is|are) real' out || :)" -eq 0 ]
	# Where something else was kept between, that is what was run again; a text that only tells the score repeats nothing.
	table '1111111;1.4000;keep;baseline' '2222222;1.3000;keep;wider' '3333333;1.3011;discard;rerun: 1.301' \
	    '4444444;1.3521;discard;deeper 1.352 seed 1' '5555555;1.3611;discard;deeper 1.361 seed 2'
	told results.tsv
	says 'from 1 repeat of 1 configuration'
	[ "$(hg-ledger replay -j "$L" | jq -c 'select(.repeats_row) | [.row, .repeats_row]')" = '[4,3]' ]
}

# bats test_tags=b98
@test "words are told apart by dashes and quotes of any alphabet, and letters of any alphabet are words" {
	table '1111111;1.400;keep;baseline — untouched' '2222222;1.406;discard;baseline — untouched, seed=1' \
	    '3333333;1.37;keep;maior taxa — “cosseno”' '4444444;1.376;discard;maior taxa “cosseno” – seed 7' \
	    '5555555;1.372;discard;更大的批次 seed=1' '6666666;1.371;discard;更大的批次 seed=2' \
	    '7777777;1.38;discard;taxa 0.1→0.2 seed=1' '8888888;1.39;discard;taxa 0.1→0.3 seed=2' \
	    '9999999;1.373;discard;maior taxa cosseno — re-run'
	told results.tsv
	says 'from 4 repeats of 3 configurations'
	[ "$(hg-ledger replay -j "$L" | jq -c 'select(.repeats_row) | [.row, .repeats_row]' | tr '\n' ' ')" = \
	    '[3,2] [5,4] [7,6] [10,5] ' ]
}

# bats test_tags=b98
@test "logs of speed runs in folders whose long names begin alike are no runs of one configuration" {
	local k long
	long=$(printf '%0120d' 0 | tr 0 d)
	for k in 1 2; do
		mkdir -p "logs/${long}a" "logs/${long}b"
		printf 'step:9/9 val_loss:3.27%s train_time:86ms\n' "$k" > "logs/${long}a/run$k.txt"
		printf 'step:9/9 val_loss:3.57%s train_time:86ms\n' "$k" > "logs/${long}b/run$k.txt"
	done
	told logs
	says 'from 2 repeats of 2 configurations'
}

@test "a header that stands again between lines is none of them" {
	printf 'Commit\tval-bpb\tstatus\n1111111\t1.40\tkeep\nCommit\tval-bpb\tstatus\n2222222\t1.39\tkeep\n' > results.tsv
	told results.tsv
	[ "$(rows | wc -l)" -eq 2 ]
	says '; 0 findings' found
	says 'Best: line 4 with 1.39.'
}

@test "a line that stands twice is named, however many lines lie between" {
	local i
	table '1111111;1.4;keep;baseline' $(for i in $(seq 700); do echo "2222222;1.5;discard;x$i"; done) \
	    '1111111;1.4;keep;baseline'
	told results.tsv
	says 'results.tsv:703: duplicate_row: the same cells as line 2' found
}

# --- verdicts -------------------------------------------------------------------------

# bats test_tags=b98
@test "a large gain that was run again is real, a small one within noise, and the best that was not reproduced is named" {
	table '1111111;1.4000;keep;baseline' '1111111;1.4010;discard;baseline seed=1' '1111111;1.3995;discard;baseline seed=2' \
	    '2222222;1.3000;keep;wider' '2222222;1.3008;discard;wider seed=1' '2222222;1.2996;discard;wider seed=2' \
	    '3333333;1.2985;keep;cap 20' '3333333;1.3004;discard;cap 20 seed=1' '3333333;1.3011;discard;cap 20 seed=2'
	told results.tsv
	says 'Of 2 keeps 1 is real, 1 within noise, 0 cannot be told.'
	says 'Real: line 5, 0.1 better than line 2'
	says 'Best: line 8 with 1.2985, not reproduced by its 2 reruns: 1.3004 to 1.3011.'
	[ "$(hg-ledger replay -j "$L" | jq -r 'select(.verdict == "significant").title')" = wider ]
	[ "$(hg-ledger replay -j "$L" | jq -r 'select(.keep) | .title + ": " + .keep' | tr '\n' ';')" = \
	    "baseline: start;wider: real;cap 20: within noise;" ]
	[ "$(hg-ledger replay -j "$L" | jq -c '[.row, .repeats_row]' | tail -n 2 | tr '\n' ' ')" = "[9,8] [10,9] " ]
}

# bats test_tags=b98
@test "a single run far beyond the noise is real only if what was tried from it on bears it out" {
	table '1111111;1.4000;keep;baseline' '1111111;1.4010;discard;baseline seed=1' '1111111;1.3995;discard;baseline seed=2' \
	    '1111111;1.4004;discard;baseline seed=3' '1111111;1.3998;discard;baseline seed=4' \
	    '2222222;1.2000;keep;wider' '3333333;1.2010;discard;a' '4444444;1.2100;discard;b' '5555555;1.2050;discard;c'
	told results.tsv
	says 'Of 1 keep 1 is real'
	sed -i 's/1\.2010/1.4010/; s/1\.2100/1.3990/; s/1\.2050/1.4020/' results.tsv
	told results.tsv
	says 'Of 1 keep 0 are real, 0 within noise, 1 cannot be told.'
}

# bats test_tags=b98
@test "repeats that agree to the last digit are deterministic or logged twice, and are no noise of zero" {
	printf 'id\tval_bpb\tstatus\tdescription\nr1\t2.9690188\tkeep\tgate\nr2\t2.9690188\tdiscard\trerun of r1\n' > results.tsv
	printf 'r3\t2.9690075\tkeep\ttree\nr4\t2.9690075\tdiscard\trerun of r3\n' >> results.tsv
	told results.tsv
	says '2 repeats agree to the last digit: deterministic, or one run logged twice'
	says_not "a run's deviation is"
	says 'Of 1 keep 0 are real, 0 within noise, 1 cannot be told.'
}

# Tables of nothing but noise, as loops of many habits write them; 1 % of them may have a line that is called real.
# bats test_tags=b98
@test "of 150 tables of pure noise no more have a keep that is called real than the stated error allows" {
	"$PYTHON" - <<-'END'
	import math, os, random
	r = random.Random(18)
	os.mkdir("noise")
	for t in range(150):
	    kind = t % 3
	    draw = lambda: 1.3 + 0.002 * (r.gauss(0, 1) if kind == 0 else r.expovariate(1) * r.choice((-1, 1)) if kind == 1
	        else r.gauss(0, 1) / math.sqrt(sum(r.gauss(0, 1) ** 2 for _ in range(4)) / 4))
	    habit, again = r.choice(("greedy", "all", "random")), r.choice((0.1, 0.3))
	    lines, best, kept, seed = ["commit\tval_bpb\tstatus\tdescription"], None, None, 0
	    for i in range(r.choice((10, 20, 40))):
	        commit, v = "%07x" % (r.getrandbits(27) | 1 << 27), draw()
	        if i and r.random() < again:
	            seed += 1
	            lines.append(f"{commit}\t{v:.6f}\tdiscard\trerun of {kept} seed={seed}")
	            continue
	        keep = best is None or habit == "all" or (r.random() < 0.3 if habit == "random" else v < best)
	        if keep:
	            best, kept = v, commit
	        lines.append(f"{commit}\t{v:.6f}\t{'keep' if keep else 'discard'}\tchange {i}")
	    open(f"noise/t{t}.tsv", "w").write("\n".join(lines) + "\n")
	END
	told noise
	[ "$(grep -c '^group' out)" -eq 150 ]
	[ "$(grep -c "a run's deviation is" out)" -ge 100 ]
	# 1.5 are allowed on average; six or more have a chance of 0.4 % then.
	[ "$(grep -cE 'keeps? [1-9][0-9]* (is|are) real' out || :)" -le 5 ]
	# And it is no silence that keeps them so: most are told to be noise.
	[ "$(grep -oE '[0-9]+ within noise' out | awk '{ n += $1 } END { print n + 0 }')" -ge 300 ]
}

# judged_noise TABLES SEED [GAIN]: of so many tables of each kind of noise, those where a change that does nothing is
# called real; and of the keeps in tables that run each new best again, how many noise is said to be within, and how many
# that gain something are called real, of how many.
judged_noise() {
	rm -rf tables
	"$PYTHON" "$HG_TOP/t/tools/noise_tables.py" tables "$@"
	told tables
	hg-ledger replay -j "$L" | jq -rs 'map(select(.keep and .keep != "start" and .keep != "repeats")) |
		(map(select(.title | startswith("gain"))) | map(select(.file | test("-(best|both)-")))) as $planted |
		map(select(.title | startswith("gain") | not)) as $idle |
		[($idle | map(select(.keep == "real").file) | unique | length),
		 ($idle | map(select((.file | test("-(best|both)-")) and .keep == "within noise")) | length),
		 ($planted | map(select(.keep == "real")) | length), ($planted | length)] | join(" ")'
}

# What thousands of such tables gave stands in hg-import(7); this is a sample of them.
# bats test_tags=b98
@test "of tables of ten kinds of noise hardly any has a change that does nothing called real, and large gains that were run again are" {
	local false noise real planted
	read -r false noise real planted < <(judged_noise 5 7)
	echo "nothing planted: false real in $false of 50 tables, $noise within noise"
	[ "$planted" -eq 0 ]
	# 0.5 at the stated error; three or more have a chance of 1.4 % then.
	[ "$false" -le 2 ]
	[ "$noise" -ge 40 ]
	read -r false noise real planted < <(judged_noise 5 7 8)
	echo "gains of 8 deviations: false real in $false of 50 tables, $real of $planted found"
	[ "$false" -le 2 ]
	[ "$planted" -ge 40 ]
	[ $((2 * real)) -ge "$planted" ]
}

@test "what would settle the most promising line is said, and a line that is added so closes it" {
	table '1111111;1.400;keep;baseline' '2222222;1.390;keep;higher rate'
	told results.tsv
	says 'To settle line 3 (0.01 better than line 2): begin with 3 more runs a side'
	says 'git checkout 1111111; ./measure; git checkout 2222222; ./measure'
	says '"rerun of 1111111 seed=1" or "rerun of 2222222 seed=1"'
	printf '1111111\t1.4%s\tdiscard\trerun of 1111111 seed=%s\n' 001 1 002 2 003 3 004 4 >> results.tsv
	printf '2222222\t1.39%s\tdiscard\trerun of 2222222 seed=%s\n' 01 1 02 2 03 3 04 4 >> results.tsv
	hg-ledger import "$L" results.tsv > found 2> said
	hg-ledger replay "$L" > out
	says 'Of 1 keep 1 is real'
	says_not 'To settle'
}

@test "what is to be settled is the best that cannot be told, and not the largest gain, which is over a bad start" {
	table '1111111;2.400;keep;baseline' '2222222;1.400;keep;rate' '3333333;1.390;keep;wider' '4444444;1.395;keep;simpler'
	told results.tsv
	says 'Best: line 4 with 1.39; last kept: line 5 with 1.395.'
	says 'To settle line 4 (0.01 better than line 3)'
	# Where the best is within the noise, it is the last one before it that can be told by a test.
	table '1111111;2.400;keep;baseline' '2222222;1.400;keep;rate' '3333333;1.300;keep;wider' '4444444;1.2999;keep;cap' \
	    '4444444;1.29;discard;rerun of 4444444 seed=1' '4444444;1.31;discard;rerun of 4444444 seed=2'
	told results.tsv
	says '1 within noise'
	says 'To settle line 4 (0.1 better than line 3)'
}

@test "a run that would settle a line is the loop's own command, and a state without a commit is told in words" {
	local name='{"type": "config", "name": "s", "metricName": "ms", "bestDirection": "lower", "command": "COMMAND"}'
	printf '%s\n' "${name/COMMAND/./bench.sh --n 5}" \
	    '{"run": 1, "commit": "aaaaaa1", "metric": 100, "status": "keep", "description": "baseline"}' \
	    '{"run": 2, "commit": "bbbbbb2", "metric": 90, "status": "keep", "description": "pool"}' > log.jsonl
	told log.jsonl
	says '  git checkout aaaaaa1; ./bench.sh --n 5; git checkout bbbbbb2; ./bench.sh --n 5'
	says_not ./measure
	# Whatever stands in it, sh is given what the loop gave it.
	sed -i "s#[.]/bench.sh --n 5#./bench.sh 'a b' | tail -n 1; exit#; s/bbbbbb2/-/" log.jsonl
	told log.jsonl
	says_not '(the state of'
	says 'A run of run 2, whose state no commit alone stands for; bring it back by hand:'
	says 'A run of run 1:'
	grep -F -A 1 'bring it back by hand' out | tail -n 1 > command
	printf '#!/bin/sh\necho "$#" "$1"\n' > bench.sh
	chmod +x bench.sh
	[ "$(sh command)" = "1 a b" ]
	# A column says it of each line.
	printf 'commit\tval_bpb\tstatus\tcmd\n1111111\t1.4\tkeep\tmake a\n2222222\t1.3\tkeep\tmake b\n' > results.tsv
	told results.tsv
	says '  git checkout 1111111; make a; git checkout 2222222; make b'
}

# bats test_tags=b98
@test "lines that are added in the advised form move a keep from cannot be told to within noise, too" {
	local before after i
	table '1111111;1.4000;keep;baseline' '2222222;1.3990;keep;higher rate'
	told results.tsv
	says 'Of 1 keep 0 are real, 0 within noise, 1 cannot be told.'
	before=$(sed -n 's/.*with the text "\(.*\) seed=1" or ".* seed=1".*/\1/p' out)
	after=$(sed -n 's/.*with the text ".* seed=1" or "\(.*\) seed=1".*/\1/p' out)
	for i in 1 2 3; do
		printf '1111111\t1.400%s\tdiscard\t%s seed=%s\n' $((9 - 4 * i / 2)) "$before" "$i" >> results.tsv
		printf '2222222\t1.400%s\tdiscard\t%s seed=%s\n' $((2 * i - 2)) "$after" "$i" >> results.tsv
	done
	hg-ledger import "$L" results.tsv > found 2> said
	says '6 rows added' found
	hg-ledger replay "$L" > out
	says 'Of 1 keep 0 are real, 1 within noise, 0 cannot be told.'
	says_not 'To settle'
}

# bats test_tags=b98
@test "a loop's own confidence is kept as it stands and changes no verdict" {
	table '1111111;1.400;keep;baseline' '2222222;1.399;keep;x' '2222222;1.401;discard;x seed=1' \
	    '2222222;1.398;discard;x seed=2'
	told results.tsv
	grep -E 'keep|Best|Noise' out > plain
	awk -F'\t' -v OFS='\t' '{ print $0, NR == 1 ? "confidence" : NR == 3 ? "99.5" : "" }' results.tsv > sure.tsv
	told sure.tsv
	says 'Of 1 keep 0 are real, 1 within noise'
	grep -E 'keep|Best|Noise' out | cmp - plain
	[ "$(rows | jq -r '.values[] | select(.name == "confidence").text' | tr -d '\n')" = 99.5 ]
}

# bats test_tags=b98
@test "what is real depends on the confidence that the ledger's policy asks for, which is said" {
	local confidence
	table '1111111;1.4000;keep;baseline' '1111111;1.4040;discard;baseline seed=1' '1111111;1.3970;discard;baseline seed=2' \
	    '2222222;1.3900;keep;wider' '2222222;1.3905;discard;wider seed=1' '2222222;1.3890;discard;wider seed=2'
	told results.tsv
	for confidence in 0.9 0.9999; do
		jq ".promotion.confidence = $confidence" "$L/policy.json" > "policy$confidence"
		mkdir "of$confidence"
		mv "policy$confidence" "of$confidence/policy.json"
		hg-ledger import "of$confidence" results.tsv > found 2> said
	done
	hg-ledger replay of0.9 > out
	says 'Of 1 keep 1 is real'
	says 'with 90 % for all 1 tries together'
	hg-ledger replay of0.9999 > out
	says 'Of 1 keep 0 are real'
	says_not '90 % for'
}

# adopted: what replay said to paste, pasted.
adopted() {
	sed -n '/Or let Homegolf/,/stands for data/s/^    //p' out > commands
	[ "$(wc -l < commands)" -eq 3 ] || return 1
	rm -rf own.*
	HOMEGOLF_LANES=$PWD/lanes sh -e commands > pasted 2>&1 || { cat pasted >&2; return 1; }
}

# bats test_tags=b29
@test "the commands that put a loop under Homegolf run as they are pasted, and end in a row with the program's score" {
	local name='{"type": "config", "name": "s", "metricName": "req_s", "bestDirection": "higher", "command": "./measure"}'
	printf '#!/bin/sh\necho baseline_val_bpb: 9\necho "val_bpb: 1.3$SEED"\necho "METRIC req_s=1.5e+02"\n' > measure
	chmod +x measure
	table '1111111;1.400;keep;baseline' '2222222;1.390;keep;higher rate'
	told results.tsv
	adopted
	[ "$(hg-ledger list -j own.ledger | jq -r 'select(.kind == "run").run | .evidence + " " + (.metrics.val_bpb | tostring)')" = \
	    "claim 1.3$(jq .train.seed own.1/spec.json)" ]
	# A metric of its own, of which more is better; and a ledger whose path sh would take for words.
	printf '%s\n' "$name" '{"run": 1, "commit": "aaaaaa1", "metric": 100, "status": "keep", "description": "baseline"}' \
	    '{"run": 2, "commit": "bbbbbb2", "metric": 112, "status": "keep", "description": "pool"}' > log.jsonl
	L="$PWD/my ledger"
	told log.jsonl
	adopted
	[ "$(hg-ledger list -j own.ledger | jq -r 'select(.kind == "run") | [.run.metrics.value, .verdict.reason] | join(" ")')" = \
	    "150 first" ]
	[ "$(jq -r '.metric | .name + " " + .direction' own.ledger/policy.json)" = "value higher" ]
	# What only a shell understands is given to one.
	sed -i 's#[.]/measure#x=2; echo req_s ${x}00#' log.jsonl
	told log.jsonl
	adopted
	[ "$(hg-ledger list -j own.ledger | jq -r 'select(.kind == "run").run.metrics.value')" -eq 200 ]
}

@test "what to write of a run is what will be read of it, however long or odd the texts are" {
	local long="this change has a description that goes on and on, beyond what anybody shows of it in one line"
	table '1111111;1.400;keep;baseline' "1111111;1.390;keep;$long"
	told results.tsv
	says "\"baseline seed=1\" or \"$long seed=1\""
	printf '1111111\t1.4%s\tdiscard\tbaseline seed=%s\n' 001 1 002 2 003 3 >> results.tsv
	printf '1111111\t1.39%s\tdiscard\t%s seed=%s\n' 01 "$long" 1 02 "$long" 2 03 "$long" 3 >> results.tsv
	told results.tsv
	says 'Of 1 keep 1 is real'
	# A commit that stands for two states names neither, nor does an id that two lines have.
	printf 'id\tval_bpb\tstatus\tdescription\na\t1.400\tkeep\tbaseline\nb\t1.390\tkeep\twider\n' > results.tsv
	printf 'b\t1.410\tdiscard\tdeeper\n' >> results.tsv
	told results.tsv
	says '"baseline seed=1" or "wider seed=1"'
	table '1111111;1.400;keep;baseline' '1111111;1.390;keep;the "wider" one'
	told results.tsv
	says 'No text names both lines beyond doubt: give the table a column config_hash'
	says_not 'seed=1'
}

@test "best and last kept are told apart, zero is a count and no loss, and groups bear their path" {
	table '1111111;1.400;keep;baseline' '2222222;1.300;keep;gain' '3333333;1.350;keep;smaller'
	told results.tsv
	says 'Best: line 3 with 1.3; last kept: line 4 with 1.35.'
	says '1 gained nothing'
	printf 'commit\tfailing\tstatus\n1111111\t4\tkeep\n2222222\t0\tkeep\n3333333\t0\tdiscard\n' > count.tsv
	told count.tsv -m failing
	says 'Best: line 3 with 0.'
	printf 'commit\tfid\tstatus\n1111111\t0.000\tkeep\n2222222\t42.1\tkeep\n3333333\t41.5\tkeep\n' > zero.tsv
	told zero.tsv -m fid
	says 'Best: line 4 with 41.5.'
	printf 'commit\tscore\tstatus\n1111111\t68.6%%\tkeep\n2222222\t92.0%%\tkeep\n' > percent.tsv
	told percent.tsv -M score
	says 'Best: line 3 with 92.'
	mkdir -p d/a d/b
	cp results.tsv d/a
	sed 's/1\.3/1.2/; s/1111111;/7777777/; s/baseline/start/' results.tsv > d/b/results.tsv
	told d
	says 'table a/results.tsv'
	says 'table b/results.tsv'
}

@test "a log of JSON lines is read by its segments, and a page says which keeps are real and what to run again" {
	mkdir -p d/.auto
	printf '%s\n' '{"type": "config", "name": "s", "metricName": "req_s", "bestDirection": "higher"}' \
	    '{"run": 1, "commit": "aaaaaa1", "metric": 100, "metrics": {"mem": 5}, "status": "keep", "description": "baseline", "timestamp": 1760000000000}' \
	    '{"run": 2, "commit": "aaaaaa1", "metric": 97, "status": "discard", "description": "x", "timestamp": 1760000060000, "confidence": 1.5}' \
	    '{"run": 3, "commit": "aaaaaa1", "metric": 0, "status": "crash", "description": "y", "timestamp": 1760000120000}' \
	    '{"run": 4, "commit": "bbbbbb2", "metric": 99999, "status": "checks_failed", "description": "z", "timestamp": 1760000180000}' \
	    '{"run": 5, "commit": "bbbbbb2", "metric": 112, "status": "keep", "description": "pool", "timestamp": 1760000240000}' \
	    'no JSON' '{"type": "config", "name": "k", "metricName": "kb", "bestDirection": "lower"}' \
	    '{"run": 6, "commit": "ccccccc", "metric": 8, "status": "keep", "description": "baseline"}' > d/.auto/log.jsonl
	told d
	[ "$(rows | jq -r '[.metric, .direction, .status] | join(" ")' | sort | uniq -c | tr -s ' ' | tr '\n' ';')" = \
	    " 1 kb lower keep; 1 req_s higher checks_failed; 1 req_s higher crash; 1 req_s higher discard; 2 req_s higher keep;" ]
	[ "$(rows | jq -r '.dated_at // empty' | head -n 1)" = 2025-10-09T08:53:20.000Z ]
	says 'Best: run 5 with 112'
	says 'about 6 min'
	hg-report -o page.html "$L"
	says 'Of 1 keep 0 are real, 0 within noise, 1 cannot be told.' page.html
	says 'Best: run 5 with 112' page.html
	says 'git checkout' page.html
}

# --- the minimal inputs -----------------------------------------------------------------

@test "01, 02, 32: the log of an extension is read with its segments, states, dates and repeats" {
	need_fixtures
	for source in "$F/01_pi.jsonl" "$F/02_pi_folder"; do
		told "$source"
		[ "$(rows | jq -r '[.metric, .direction, .status] | join(" ")' | sort | uniq -c | tr -s ' ' | tr '\n' ';')" = \
		    " 2 binary_kb lower keep; 1 req_s higher checks_failed; 1 req_s higher crash; 1 req_s higher discard; 3 req_s higher keep;" ]
		[ "$(rows | jq -r 'select(.dated_at).row // 1' | wc -l)" -eq 8 ]
		rows | jq -r '.values[] | select(.name == "confidence").text' | grep -qx 1.9
		says 'Best: run 4 with 112; run again 1 time: 110'
		says 'from 1 repeat of 1 configuration'
	done
	told "$F/32_pure_noise_confident.jsonl"
	says 'No change was kept after the first line; 9 kept lines run an earlier one again'
	says 'Best: run 8 with 146.2, the best of 10 runs of one configuration'
	says 'about what the best of 10 draws is'
}

@test "03, 13, 14, 17, 20, 28: what is missing is said, and nothing is added until it is known" {
	need_fixtures
	run --separate-stderr hg-ledger import "$L" "$F/03_other_metric.tsv"
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"number columns: val_acc, memory_gb; its author's 3 decisions fit val_acc, higher: -M val_acc"* ]]
	hg-ledger import -M val_acc "$L" "$F/03_other_metric.tsv" > found 2> said
	[ "$(rows | wc -l)" -eq 4 ]
	hg-ledger import -m val_acc other "$F/03_other_metric.tsv" > found 2> said
	says 'the author kept 1 of 1 changes that are worse in this direction: -M?' said
	told "$F/13_percent.tsv" -M score
	[ "$(rows | jq -c '.score * 10 | round' | tr '\n' ' ')" = "686 920 815 " ]
	run --separate-stderr hg-ledger import empty "$F/14_header_only.tsv"
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"a table without lines yet"* ]]
	told "$F/17_one_read_one_skipped"
	says "'accuracy.tsv' was passed by: no column val_bpb; number columns: val_acc" said
	[ "$(rows | wc -l)" -eq 2 ]
	run --separate-stderr hg-ledger import board "$F/20_leaderboard.json"
	[ "$status" -eq 103 ]
	told "$F/20_leaderboard.json" -m score
	[ "$(rows | jq -c .score | tr '\n' ' ')" = "1.11 1.12 " ]
	run --separate-stderr hg-ledger import bare "$F/28_no_header_usual_order.tsv"
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"no header; looks like commit, number, number, status, text: name the column, -m 2"* ]]
	told "$F/28_no_header_usual_order.tsv" -m 2
	says 'Best: line 2 with 1.39.'
}

@test "04, 05, 06, 07, 08, 26, 29, 30, 31: what repeats what is what the loops wrote down" {
	need_fixtures
	told "$F/04_same_commit_other_config.tsv"
	says 'Noise unknown'
	told "$F/05_line_logged_twice.tsv"
	says 'Noise unknown'
	says 'one run logged twice'
	told "$F/06_seed_in_text.tsv"
	says "a run's deviation is 0.0041"
	says 'from 4 repeats of 3 configurations'
	says 'Of 2 keeps 0 are real, 1 within noise, 1 cannot be told; 1 kept line runs an earlier one again'
	says 'To settle line 7'
	told "$F/07_reruns_in_words.tsv"
	says 'from 3 repeats of 2 configurations'
	says 'Of 1 keep 0 are real, 1 within noise, 0 cannot be told'
	told "$F/08_seed_column.csv"
	says 'mean 1.4855 of 3 runs'
	says 'mean 1.4625 of 3 runs; gain over a0 0.023'
	says 'significant.'
	told "$F/26_sentinel_and_ids.tsv"
	says 'from 2 repeats of 2 configurations'
	says '1 within noise'
	told "$F/29_config_hash.tsv"
	says "a run's deviation is 0.00335"
	says 'r3 and its repeats'
	told "$F/30_best_was_rerun.tsv" -m val_fid
	says 'Best: line 3 with 52.9, not reproduced by its 4 reruns: 61.2 to 63.4.'
	told "$F/31_deterministic.tsv" -m bits_per_symbol
	says '2 repeats agree to the last digit: deterministic'
	says 'differences are real for this data, and nothing is known of other data or seeds'
}

@test "09, 10, 11, 12, 15, 27: best is said, zero is what it is, words are counted and groups bear their path" {
	need_fixtures
	told "$F/09_status_ok.tsv"
	says 'Best: run 2 with 1.36.'
	says_not unknown_status found
	told "$F/10_last_keep_is_not_best.tsv"
	says 'Best: line 3 with 1.3; last kept: line 4 with 1.35.'
	told "$F/11_zero_kept.tsv" -m best_val_bpb
	says 'Best: line 4 with 1.25.'
	told "$F/12_zero_is_best.tsv" -m failing_checks
	says 'Best: line 4 with 0.'
	[ "$(hg-ledger replay -j "$L" | jq -c 'select(.title | startswith("rename")).score == 0')" = true ]
	told "$F/15_two_places"
	says 'table a/results.tsv'
	says 'table b/results.tsv'
	told "$F/27_words_for_status.tsv"
	[ "$(grep -c unknown_status found)" -eq 1 ]
	says '"BEST", "infra_retry", "improved" (3 lines)' found
}

@test "16, 18, 19, 21, 22, 23, 24, 25: other people's exports and logs are read as they are" {
	need_fixtures
	told "$F/16_speedrun"
	[ "$(rows | jq -c .score | tr '\n' ' ')" = "3.279 3.28 3.2782 3.274 3.275 3.2732 " ]
	says 'from 4 repeats of 2 configurations'
	hg-ledger replay -m train_time_ms "$L" > out
	says '86694'
	told "$F/18_metric_named_in_row.tsv"
	says 'separation of table'
	says 'Best: r2 with 0.94'
	told "$F/19_experiments.jsonl"
	[ "$(rows | jq -r .status | tr '\n' ' ')" = "keep keep discard crash " ]
	told "$F/21_dvc.csv"
	says 'the line of the workspace is no run of its own' said
	says 'Best: exp-a with 1.31'
	told "$F/22_mlflow.csv" -m val_loss
	[ "$(rows | jq -r '.dated_at' | head -n 1)" = 2026-03-01T10:00:00.000Z ]
	[ "$(rows | jq -r '.status // "sound"' | tr '\n' ' ')" = "sound sound crash " ]
	told "$F/23_wandb_chart.csv" -m val_loss
	[ "$(rows | jq -c .score | tr '\n' ' ')" = "3.25 3.2 " ]
	told "$F/24_wandb_table.csv"
	says 'Best: run-b with 1.31'
	[ "$(rows | jq -r '.status // "sound"' | tr '\n' ' ')" = "sound sound crash " ]
	told "$F/25_line_feed_in_text.tsv"
	[ "$(rows | wc -l)" -eq 3 ]
	[ "$(grep -c '25_line_feed' found)" -eq 1 ]
}
