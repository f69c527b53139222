#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# config/aws and the Packer template, as far as this machine can judge them: our own comparison of
# the Terraform module with the CloudFormation template always, and the tools' checks where they are
# there. None of it asks AWS for anything, and none of it was ever applied.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
. "$(dirname "$0")/../lib/deps.sh"
deps_install python3-yaml >&2 || lab_skip "needs python3-yaml, and apt-get cannot get it"
lab_begin aws
AWS=$LAB_ROOT/config/aws
export CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE=/dev/null TF_IN_AUTOMATION=1 HOME=$LAB_TMP
unset AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
without=()

PYTHONDONTWRITEBYTECODE=1 "$LAB_PYTHON" "$LAB_ROOT/tests/lib/check_aws.py" "$LAB_ROOT" \
    >"$LAB_TMP/own.out" 2>&1 || lab_die "$(cat "$LAB_TMP/own.out")"
done=("own comparison")

# It can fail: a port, an action or a name that differs is found.
mutant() { # FILE SED_EXPRESSION
    rm -rf "$LAB_TMP/mutant"
    mkdir -p "$LAB_TMP/mutant/config"
    cp -r "$AWS" "$LAB_ROOT/config/bin" "$LAB_TMP/mutant/config/"
    sed -i "$2" "$LAB_TMP/mutant/config/aws/$1"
    ! cmp -s "$AWS/$1" "$LAB_TMP/mutant/config/aws/$1" || lab_die "mutant: $2 changes nothing"
    ! PYTHONDONTWRITEBYTECODE=1 "$LAB_PYTHON" "$LAB_ROOT/tests/lib/check_aws.py" "$LAB_TMP/mutant" \
        >"$LAB_TMP/mutant.out" 2>&1 || lab_die "not found: $1: $2"
}
mutant terraform/main.tf 's/from_port   = 4789/from_port   = 4788/'
mutant terraform/main.tf 's/, "elasticloadbalancing:DeregisterTargets"//'
mutant terraform/main.tf '0,/unhealthy_threshold = 2/s//unhealthy_threshold = 3/'
mutant cloudformation/mirrortap.yaml 's/DependsOn: Listener/DependsOn: Lisener/'
mutant cloudformation/mirrortap.yaml 's/target_group: /target_grup: /'
mutant cloudformation/mirrortap.yaml 's/MetricName: PortMissed/MetricName: PortsMissed/'

# --- terraform -----------------------------------------------------------------------------------

provider() {
    local folder

    for folder in "${MIRRORTAP_TERRAFORM_PLUGINS-}" /opt/tf-plugins /usr/share/terraform/plugins \
        /usr/local/share/terraform/plugins /root/.terraform.d/plugins; do
        if [ -d "$folder/registry.terraform.io/hashicorp/aws" ]; then
            echo "$folder"
            return
        fi
    done
    return 1
}

if ! command -v terraform >/dev/null; then
    without+=("terraform")
else
    terraform -chdir="$AWS/terraform" fmt -check -diff >"$LAB_TMP/fmt.out" 2>&1 \
        || lab_die "terraform fmt: $(cat "$LAB_TMP/fmt.out")"
    if plugins=$(provider); then
        cp -r "$AWS/terraform" "$LAB_TMP/module"
        terraform -chdir="$LAB_TMP/module" init -input=false -no-color -plugin-dir="$plugins" \
            >"$LAB_TMP/init.out" 2>&1 || lab_die "terraform init: $(cat "$LAB_TMP/init.out")"
        terraform -chdir="$LAB_TMP/module" validate -no-color >"$LAB_TMP/validate.out" 2>&1 \
            || lab_die "terraform validate: $(cat "$LAB_TMP/validate.out")"
        done+=("terraform validate")
    else
        without+=("terraform's AWS provider (MIRRORTAP_TERRAFORM_PLUGINS names a folder with it)")
    fi
fi

# --- cfn-lint ------------------------------------------------------------------------------------

if ! cfn-lint --version >/dev/null 2>&1; then
    without+=("cfn-lint")
else
    cfn-lint -t "$AWS/cloudformation/mirrortap.yaml" >"$LAB_TMP/lint.out" 2>&1 \
        || lab_die "cfn-lint: $(cat "$LAB_TMP/lint.out")"
    done+=("cfn-lint")
fi

# --- packer --------------------------------------------------------------------------------------

# Debian's 1.6.6 does not know some settings: they are between two marks, and cut out for it.
if ! command -v packer >/dev/null; then
    without+=("packer")
elif [[ $(packer --version) != 1.6.* ]]; then
    without+=("packer 1.6: a later one wants its plugin for AWS, by packer init, from the internet")
else
    mkdir "$LAB_TMP/packer"
    sed '/packer 1.6.6 stops understanding/,/packer 1.6.6 understands again/d' \
        "$LAB_ROOT/config/image/mirrortap.pkr.hcl" >"$LAB_TMP/packer/mirrortap.pkr.hcl"
    touch "$LAB_TMP/packer/source.tar.gz"
    packer validate -var "source=$LAB_TMP/packer/source.tar.gz" \
        "$LAB_TMP/packer/mirrortap.pkr.hcl" >"$LAB_TMP/packer.out" 2>&1 || lab_die "packer validate: $(cat "$LAB_TMP/packer.out")"
    done+=("packer validate")
fi

[ "${#without[@]}" -eq 0 ] \
    || lab_skip "in part: passed are ${done[*]}; not on this machine: ${without[*]}"
echo "passed: ${done[*]}"
