#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2016 # conditions for wait_for are code in single quotes
# mirrortap-fleet beside a real mirrortapd, with a stand-in for AWS (tests/lib/imds.py): a machine
# registers itself once it is healthy, reports, and drains before its group ends it.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin fleet
lab_hugepages_up 256
lab_up
FLEET=$LAB_ROOT/config/bin/mirrortap-fleet
RUN=$LAB_TMP/run
AWS=$LAB_TMP/aws.log

# --- Signature Version 4, by a vector of AWS's own suite (post-x-www-form-urlencoded) --------------

"$LAB_PYTHON" - "$FLEET" >"$LAB_TMP/signed" <<'END'
import importlib.machinery, importlib.util, sys
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("fleet", sys.argv[1])
fleet = importlib.util.module_from_spec(importlib.util.spec_from_loader("fleet", loader))
loader.exec_module(fleet)
headers = {"content-type": "application/x-www-form-urlencoded", "host": "example.amazonaws.com",
           "x-amz-date": "20150830T123600Z"}
print(fleet.authorization(("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                          ("20150830T123600Z", "us-east-1", "service"), headers, "Param1=value1"))
END
signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a
grep -q "SignedHeaders=content-type;host;x-amz-date, Signature=$signature\$" "$LAB_TMP/signed" \
    || lab_die "signature: $(cat "$LAB_TMP/signed")"

# --- a member ------------------------------------------------------------------------------------

mkdir "$RUN" "$LAB_TMP/tools"
# Where mirrortap-fleet looks for it.
ln -s "$LAB_BUILD/mirrortap" "$LAB_TMP/tools/mirrortap"
cat >"$RUN/fleet.json" <<END
{"target_group": "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/mirror/1",
 "auto_scaling_group": "mirror", "launch_hook": "launch", "terminate_hook": "terminate",
 "drain_seconds": 3, "addresses": ["10.0.1.6", "10.0.2.7"]}
END
echo InService >"$LAB_TMP/lifecycle"
cat >"$LAB_TMP/fleet.yaml" <<END
dataplane: {lcores: "0@0,1@1", eal: $(lab_eal mt-fleet)}
ports: [{name: mirror, device: "$(lab_af_packet t0 1)"}]
http: {control_socket: $LAB_TMP/fleet.sock}
END
lab_spawn "$LAB_TARGET" "$AWS" env -C "$LAB_TMP" "$LAB_PYTHON" "$LAB_ROOT/tests/lib/imds.py" \
    --listen 127.0.0.1:8081 --role mirrortap --lifecycle "$LAB_TMP/lifecycle" \
    --interface 0,02:00:00:00:00:05,eni-0a,10.0.0.5
wait_for 'grep -q ^listening "$AWS"' 10 "the stand-in for AWS"

# asked ACTION [EXPRESSION]: has this been asked of AWS, with these arguments?
asked() {
    sed -n 's/^AWS //p' "$AWS" | jq -se --arg action "$1" \
        "map(select(.Action == \$action and (${2:-true}))) | length > 0" >/dev/null
}

lab_spawn "$LAB_TARGET" "$LAB_TMP/fleet.log" env PATH="$LAB_TMP/tools:$PATH" MIRRORTAP_RUN="$RUN" \
    MIRRORTAP_SOCKET="$LAB_TMP/fleet.sock" MIRRORTAP_IMDS=http://127.0.0.1:8081 \
    MIRRORTAP_AWS=http://127.0.0.1:8081 MIRRORTAP_POLL_SECONDS=0.2 "$FLEET"
member=$LAB_PID
# Without a daemon it is not registered, and CloudWatch hears that it is not healthy.
wait_for 'asked PutMetricData ".[\"MetricData.member.1.MetricName\"] == \"Healthy\"
    and .[\"MetricData.member.1.Value\"] == \"0\" and .Namespace == \"Mirrortap\""' 10 "a report"
! asked RegisterTargets || lab_die "registered before it was healthy"

echo 'Rate exceeded' >"$LAB_TMP/refuse"
lab_daemon_start fleet "$LAB_TMP/fleet.yaml"
wait_for 'asked RegisterTargets' 10 "RegisterTargets, which is refused"
# shellcheck disable=SC2034 # in the condition
told='RegisterTargets: ValidationError: Rate exceeded; trying again'
wait_for 'grep -q "$told" "$LAB_TMP/fleet.log"' 10 "the refusal is told"
check "$(grep -c 'Rate exceeded' "$LAB_TMP/fleet.log")" -eq 1 "lines about one refusal"
: >"$AWS" # sparse from here: the stand-in appends
rm "$LAB_TMP/refuse"
wait_for 'asked RegisterTargets ".[\"Targets.member.1.Id\"] == \"10.0.1.6\"
    and .[\"Targets.member.2.Id\"] == \"10.0.2.7\" and .[\"Targets.member.1.Port\"] == \"4789\"
    and (.TargetGroupArn | startswith(\"arn:\")) and .Version == \"2015-12-01\""' 10 "it is registered"
wait_for 'asked CompleteLifecycleAction ".LifecycleHookName == \"launch\"
    and .LifecycleActionResult == \"CONTINUE\" and .InstanceId == \"i-0123456789abcdef0\"
    and .AutoScalingGroupName == \"mirror\""' 10 "it is launched"

# --- and its end ---------------------------------------------------------------------------------

: >"$AWS"
echo Terminated >"$LAB_TMP/lifecycle"
wait_for 'asked DeregisterTargets ".[\"Targets.member.2.Id\"] == \"10.0.2.7\""' 10 "it is taken out"
lab_ctl fleet status --json | jq -e '[.. | strings] | any(test("drain"))' >/dev/null \
    || lab_die "it does not drain: $(lab_ctl fleet status)"
! asked CompleteLifecycleAction || lab_die "ended before it has drained"
wait_for "! lab_running $member" 15 "it ends"
asked CompleteLifecycleAction '.LifecycleHookName == "terminate"' || lab_die "the group is not told"
lab_daemon_stop fleet

# --- what is wrong, and said ---------------------------------------------------------------------

status=0
MIRRORTAP_RUN=$LAB_TMP/nowhere "$FLEET" >"$LAB_TMP/wrong.out" 2>&1 || status=$?
check "$status" -eq 1 "exit code without settings"
grep -q 'no mirrortap.fleet' "$LAB_TMP/wrong.out" || lab_die "$(cat "$LAB_TMP/wrong.out")"
