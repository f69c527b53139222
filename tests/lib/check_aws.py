#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Holds config/aws against itself: needs neither AWS nor its tools, and is no schema check.

    check_aws.py ROOT

- CloudFormation: every Ref, GetAtt and Sub names something that is there.
- Terraform and CloudFormation make the same: kinds of resources and how many, what may reach which
  port, actions of the machines' role, health check, hooks, alarms.
- The user data of both are taken by mirrortap-firstboot.
"""
import collections
import importlib.machinery
import importlib.util
import json
import os
import re
import sys

import yaml

# CloudFormation's resource, and Terraform's. The role's policy is within the role there.
KINDS = {
    "AWS::EC2::SecurityGroup": "aws_security_group",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "aws_lb",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "aws_lb_target_group",
    "AWS::ElasticLoadBalancingV2::Listener": "aws_lb_listener",
    "AWS::IAM::Role": "aws_iam_role",
    "AWS::IAM::InstanceProfile": "aws_iam_instance_profile",
    "AWS::EC2::LaunchTemplate": "aws_launch_template",
    "AWS::AutoScaling::AutoScalingGroup": "aws_autoscaling_group",
    "AWS::EC2::TrafficMirrorTarget": "aws_ec2_traffic_mirror_target",
    "AWS::EC2::TrafficMirrorFilter": "aws_ec2_traffic_mirror_filter",
    "AWS::EC2::TrafficMirrorFilterRule": "aws_ec2_traffic_mirror_filter_rule",
    "AWS::EC2::TrafficMirrorSession": "aws_ec2_traffic_mirror_session",
    "AWS::CloudWatch::Alarm": "aws_cloudwatch_metric_alarm",
}
wrong = []


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


class Loader(yaml.SafeLoader):
    """CloudFormation's short forms, as their long ones."""


def short_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", short_form)


def walk(value):
    if isinstance(value, dict):
        for key, below in value.items():
            yield key, below
            yield from walk(below)
    elif isinstance(value, list):
        for below in value:
            yield from walk(below)


def check_names(template):
    there = set(template["Resources"]) | set(template["Parameters"])
    for key, value in walk({k: template[k] for k in ("Resources", "Outputs", "Conditions")}):
        names = []
        if key == "Ref":
            names = [value]
        elif key == "Fn::GetAtt":
            names = [value.split(".")[0] if isinstance(value, str) else value[0]]
        elif key == "Fn::Sub":
            names = [n.split(".")[0] for n in re.findall(r"\$\{([^}!]+)\}", value)]
        elif key == "DependsOn":
            names = [value]
        for name in names:
            if name not in there and not name.startswith("AWS::"):
                wrong.append(f"CloudFormation: {key} {name}: no such resource or parameter")
    used = {name for _, value in walk(template) for name in re.findall(r"\w+", str(value))}
    for name in template["Parameters"]:
        if name not in used:
            wrong.append(f"CloudFormation: parameter {name} is not used")


def same(what, formation, terraform):
    if formation != terraform:
        wrong.append(f"{what}: CloudFormation has {formation}, Terraform {terraform}")


def blocks(text, kind):
    """Bodies of `kind {` or `kind "..." {`, by the indentation that `terraform fmt` makes."""
    found = re.findall(rf'^( *){kind}(?: "[^"]*")* \{{\n(.*?)^\1\}}', text, re.M | re.S)
    return [body for _, body in found]


def value_of(body, key):
    match = re.search(rf"^\s*{key}\s*=\s*(.*)$", body, re.M)
    return match.group(1).strip('"') if match else None


def of_kind(template, kind):
    return [r for r in template["Resources"].values() if r["Type"] == kind]


def compare(template, hcl):
    formation = collections.Counter(r["Type"] for r in template["Resources"].values())
    for kind in formation:
        if kind not in KINDS:
            wrong.append(f"CloudFormation: {kind} is not known to {os.path.basename(__file__)}")
    terraform = collections.Counter(re.findall(r'^resource "(\w+)"', hcl, re.M))
    terraform["aws_ec2_traffic_mirror_filter_rule"] *= 2  # for_each over the two directions
    # One resource for all alarms of ours, and one for the targets.
    terraform["aws_cloudwatch_metric_alarm"] += len(re.findall(r"\{ metric = ", hcl)) - 1
    del terraform["aws_iam_role_policy"]
    same("resources", dict(sorted((KINDS.get(k, k), n) for k, n in formation.items())),
         dict(sorted(terraform.items())))

    ports = []
    for group in of_kind(template, "AWS::EC2::SecurityGroup"):
        for rule in group["Properties"]["SecurityGroupIngress"]:
            rule = rule["Fn::If"][1] if "Fn::If" in rule else rule
            ports.append(f"{rule['IpProtocol']} {rule['FromPort']}-{rule['ToPort']}")
    theirs = []
    for body in re.findall(r'^resource "aws_security_group".*?^\}', hcl, re.M | re.S):
        rules = blocks(body, "ingress")
        rules += [b for d in blocks(body, "dynamic") for b in blocks(d, "content")]
        theirs += [f"{value_of(b, 'protocol')} {value_of(b, 'from_port')}-{value_of(b, 'to_port')}"
                   for b in rules]
    same("ports", sorted(ports), sorted(theirs))

    actions = {action for key, value in walk(of_kind(template, "AWS::IAM::Role"))
               if key == "Action" for action in ([value] if isinstance(value, str) else value)}
    same("actions", sorted(actions),
         sorted(set(re.findall(r'"((?:sts|\w+):[A-Z][a-z]\w+)"', hcl))))

    group = of_kind(template, "AWS::ElasticLoadBalancingV2::TargetGroup")[0]["Properties"]
    body = blocks(hcl, "health_check")[0]
    for ours, key in (("HealthCheckProtocol", "protocol"), ("HealthCheckPort", "port"),
                      ("HealthCheckPath", "path"), ("HealthCheckIntervalSeconds", "interval"),
                      ("HealthCheckTimeoutSeconds", "timeout"),
                      ("HealthyThresholdCount", "healthy_threshold"),
                      ("UnhealthyThresholdCount", "unhealthy_threshold")):
        same(f"health check {key}", str(group[ours]), value_of(body, key))

    alarms = {(p["Namespace"], p["MetricName"], p["Statistic"], p["Threshold"])
              for p in (r["Properties"] for r in of_kind(template, "AWS::CloudWatch::Alarm"))}
    theirs = {("Mirrortap", m, s, int(t)) for m, s, t in re.findall(
        r'metric = "(\w+)", statistic = "(\w+)", above = \w+, threshold = (\d+)', hcl)}
    theirs.add(("AWS/NetworkELB", "UnHealthyHostCount", "Maximum", 0))
    same("alarms", sorted(alarms), sorted(theirs))
    return {metric for namespace, metric, _, _ in alarms if namespace == "Mirrortap"}


def load(root, program):
    path = os.path.join(root, "config/bin", program)
    loader = importlib.machinery.SourceFileLoader(program, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(program, loader))
    loader.exec_module(module)
    return module


def check_user_data(root, template, hcl, metrics):
    sys.dont_write_bytecode = True
    firstboot = load(root, "mirrortap-firstboot")
    firstboot.say = lambda text: None
    data = of_kind(template, "AWS::EC2::LaunchTemplate")[0]["Properties"]["LaunchTemplateData"]
    text = data["UserData"]["Fn::Base64"]["Fn::Sub"]
    values = {"Configuration": '{"outputs": [{"name": "ids", "type": "ring"}]}',
              "DrainSeconds": "90", "TargetGroup": "arn:aws:elasticloadbalancing:x", "NamePrefix": "m"}
    text = re.sub(r"\$\{(\w+)\}", lambda match: values[match.group(1)], text)
    wishes = firstboot.Wishes(text.encode())
    if wishes.configuration["outputs"][0]["name"] != "ids" or wishes.data_interfaces != ["1"]:
        wrong.append(f"CloudFormation: user data are taken as {vars(wishes)}")
    # Terraform's is an expression of its own language: its keys are those of CloudFormation's.
    ours = blocks(hcl, "locals")[0].split("user_data")[1]
    keys = set(re.findall(r"^ {6,8}(\w+)\s+= ", ours, re.M))
    document = yaml.safe_load(text)["mirrortap"]
    same("user data", sorted(set(document) | set(document["fleet"])), sorted(keys))
    # What alarms look at is what is reported.
    reported = {name for name, _, _ in firstboot.fleet.REPORTED}
    for metric in metrics - reported:
        wrong.append(f"alarm on {metric}, which mirrortap-fleet does not report")


def main():
    root = sys.argv[1]
    template = yaml.load(read(root, "config/aws/cloudformation/mirrortap.yaml"), Loader)
    hcl = read(root, "config/aws/terraform/main.tf")
    check_names(template)
    metrics = compare(template, hcl)
    check_user_data(root, template, hcl, metrics)
    for line in wrong:
        print(line)
    print(json.dumps({"resources": len(template["Resources"]), "wrong": len(wrong)}))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
