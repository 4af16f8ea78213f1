# A campaign's ideas as a table: jq -rs -f figures.jq ledger/ledger.jsonl
# A gain is in bits per byte over the incumbent of that moment, better being positive.
def digits: . * 10000 | round
  | (if . < 0 then "-" else "+" end) + (fabs | "\(. / 10000 | floor).\(10000 + . % 10000 | tostring | .[1:])");
def odds: if . == null then "" elif . >= 10 then "\(round) to 1" else "\(. * 100 | round / 100) to 1" end;
def minutes: . / 60000 | round | "\(.) min";

map(select(.run != null and .verdict.plan_sha256 == null)) as $singles
| map(select(.run != null and .verdict.plan_sha256 != null)) as $slots
| map(select(.confirmation != null)) as $confirmations
| $singles[0].run.config_sha256 as $base
| [$singles[] | select(.run.config_sha256 != $base)] as $screened
| "| idea | first run | both runs | pairs | odds | verdict |",
  "|---|---|---|---|---|---|",
  ((reduce $screened[].run.config_sha256 as $c ([]; if index($c) then . else . + [$c] end))[] as $c
  | [$screened[] | select(.run.config_sha256 == $c)] as $rows
  | ([$confirmations[] | select(.confirmation.challenger_sha256 == $c)] | last) as $last
  | ($last // ($rows | last)).verdict as $v
  | "| \($rows[0].run.run_id) | \($rows[0].verdict.gain | digits)"
    + " | \(if $rows[1] then $rows[1].verdict.gain | digits else "" end)"
    + " | \($last.verdict.runs // "") | \($last.verdict.odds | odds) | \($v.class): \($v.reason) |"),
  "",
  ($singles + $slots
  | "\(length) runs, \($slots | length) of them in pairs; \(map(.run.cost_ms) | add | minutes).")
