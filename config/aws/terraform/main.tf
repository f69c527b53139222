# SPDX-License-Identifier: BSD-3-Clause
# A fleet of Mirrortap machines behind a Network Load Balancer, as a mirror target.
# NEVER APPLIED: validated only (docs/aws.md, "What was checked").
# The CloudFormation template beside it makes the same; tests/smoke/aws.sh compares the two.

data "aws_region" "current" {}
data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  group = "${var.name}-fleet"
  group_arn = join(":", [
    "arn", data.aws_partition.current.partition, "autoscaling", data.aws_region.current.name,
    data.aws_caller_identity.current.account_id, "autoScalingGroup", "*", "autoScalingGroupName/${local.group}"
  ])
  launch_hook    = "launch"
  terminate_hook = "terminate"
  user_data = {
    mirrortap = {
      data_interfaces = [1]
      configuration   = var.configuration
      fleet = {
        target_group       = aws_lb_target_group.mirror.arn
        auto_scaling_group = local.group
        launch_hook        = local.launch_hook
        terminate_hook     = local.terminate_hook
        drain_seconds      = var.drain_seconds
      }
    }
  }
}

# --- who may send what ---------------------------------------------------------------------------

resource "aws_security_group" "management" {
  name_prefix = "${var.name}-management-"
  description = "Management interfaces of Mirrortap"
  vpc_id      = var.vpc_id

  dynamic "ingress" {
    for_each = length(var.ssh_cidrs) > 0 ? [1] : []
    content {
      description = "SSH"
      protocol    = "tcp"
      from_port   = 22
      to_port     = 22
      cidr_blocks = var.ssh_cidrs
    }
  }
  ingress {
    description = "Health and metrics"
    protocol    = "tcp"
    from_port   = 8080
    to_port     = 8080
    cidr_blocks = var.health_cidrs
  }
  egress {
    description = "Interfaces of AWS, updates of Debian"
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    description = "Updates of Debian"
    protocol    = "tcp"
    from_port   = 80
    to_port     = 80
    cidr_blocks = ["0.0.0.0/0"]
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_security_group" "mirror" {
  name_prefix = "${var.name}-mirror-"
  description = "Mirror interfaces of Mirrortap: VXLAN has no authentication"
  vpc_id      = var.vpc_id

  ingress {
    description = "Mirror traffic (a load balancer preserves the source address)"
    protocol    = "udp"
    from_port   = 4789
    to_port     = 4789
    cidr_blocks = var.source_cidrs
  }
  ingress {
    description = "Health checks"
    protocol    = "tcp"
    from_port   = 8080
    to_port     = 8080
    cidr_blocks = var.health_cidrs
  }
  lifecycle {
    create_before_destroy = true
  }
}

# --- the load balancer ---------------------------------------------------------------------------

resource "aws_lb" "mirror" {
  name                             = "${var.name}-mirror"
  internal                         = true
  load_balancer_type               = "network"
  subnets                          = var.subnet_ids
  enable_cross_zone_load_balancing = true
}

resource "aws_lb_target_group" "mirror" {
  name                 = "${var.name}-mirror"
  vpc_id               = var.vpc_id
  protocol             = "UDP"
  port                 = 4789
  target_type          = "ip"
  deregistration_delay = var.drain_seconds

  health_check {
    protocol            = "HTTP"
    port                = "8080"
    path                = "/healthz"
    matcher             = "200"
    interval            = 10
    timeout             = 6
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "mirror" {
  load_balancer_arn = aws_lb.mirror.arn
  protocol          = "UDP"
  port              = 4789

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.mirror.arn
  }
}

# --- what a machine may do -----------------------------------------------------------------------

resource "aws_iam_role" "machine" {
  name_prefix = "${var.name}-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "machine" {
  name = "fleet"
  role = aws_iam_role.machine.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"]
        Resource = aws_lb_target_group.mirror.arn
      },
      {
        Effect   = "Allow"
        Action   = ["autoscaling:CompleteLifecycleAction"]
        Resource = local.group_arn
      },
      {
        Effect    = "Allow"
        Action    = ["cloudwatch:PutMetricData"]
        Resource  = "*"
        Condition = { StringEquals = { "cloudwatch:namespace" = "Mirrortap" } }
      },
    ]
  })
}

resource "aws_iam_instance_profile" "machine" {
  name_prefix = "${var.name}-"
  role        = aws_iam_role.machine.name
}

# --- the machines --------------------------------------------------------------------------------

resource "aws_launch_template" "machine" {
  name_prefix            = "${var.name}-"
  image_id               = var.ami_id
  instance_type          = var.instance_type
  key_name               = var.key_name == "" ? null : var.key_name
  user_data              = base64encode("#cloud-config\n${yamlencode(local.user_data)}")
  update_default_version = true

  iam_instance_profile {
    arn = aws_iam_instance_profile.machine.arn
  }
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "enabled"
  }
  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size           = var.root_volume_gib
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }
  # Device 0 is for management, device 1 for mirror traffic.
  network_interfaces {
    device_index          = 0
    security_groups       = [aws_security_group.management.id]
    delete_on_termination = true
  }
  network_interfaces {
    device_index          = 1
    security_groups       = [aws_security_group.mirror.id]
    delete_on_termination = true
  }
  tag_specifications {
    resource_type = "instance"
    tags          = { Name = local.group }
  }
}

resource "aws_autoscaling_group" "machine" {
  name                      = local.group
  min_size                  = var.min_size
  max_size                  = var.max_size
  vpc_zone_identifier       = var.subnet_ids
  health_check_type         = "EC2"
  health_check_grace_period = 300
  wait_for_capacity_timeout = "0"

  launch_template {
    id      = aws_launch_template.machine.id
    version = aws_launch_template.machine.latest_version
  }
  # In service when it is healthy and registered.
  initial_lifecycle_hook {
    name                 = local.launch_hook
    lifecycle_transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
    heartbeat_timeout    = 600
    default_result       = "ABANDON"
  }
  # Goes when it has drained.
  initial_lifecycle_hook {
    name                 = local.terminate_hook
    lifecycle_transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    heartbeat_timeout    = var.drain_seconds + 120
    default_result       = "CONTINUE"
  }
  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 150
    }
  }
}

# --- mirroring -----------------------------------------------------------------------------------

resource "aws_ec2_traffic_mirror_target" "mirror" {
  description               = "${var.name}: Mirrortap behind a load balancer"
  network_load_balancer_arn = aws_lb.mirror.arn
  depends_on                = [aws_lb_listener.mirror]
}

resource "aws_ec2_traffic_mirror_filter" "everything" {
  description = "${var.name}: everything, both directions"
}

resource "aws_ec2_traffic_mirror_filter_rule" "everything" {
  for_each                 = toset(["ingress", "egress"])
  traffic_mirror_filter_id = aws_ec2_traffic_mirror_filter.everything.id
  traffic_direction        = each.key
  rule_number              = 100
  rule_action              = "accept"
  source_cidr_block        = "0.0.0.0/0"
  destination_cidr_block   = "0.0.0.0/0"
}

resource "aws_ec2_traffic_mirror_session" "example" {
  count                    = var.example_source_eni == "" ? 0 : 1
  description              = "${var.name}: example"
  network_interface_id     = var.example_source_eni
  traffic_mirror_filter_id = aws_ec2_traffic_mirror_filter.everything.id
  traffic_mirror_target_id = aws_ec2_traffic_mirror_target.mirror.id
  session_number           = 1
  virtual_network_id       = var.example_vni
}

# --- alarms --------------------------------------------------------------------------------------

locals {
  # Of mirrortap-fleet, namespace Mirrortap: what a machine lost in a minute, or how it is.
  alarms = {
    allowance = { metric = "AllowanceExceeded", statistic = "Sum", above = true, threshold = 0,
    text = "The instance type's limits (bandwidth, packets, connections: the ENA allowances) cost packets: larger or more machines" }
    missed = { metric = "PortMissed", statistic = "Sum", above = true, threshold = 0,
    text = "Workers poll too slowly: more workers or machines" }
    dropped = { metric = "Dropped", statistic = "Sum", above = true, threshold = 0,
    text = "Packets are dropped: mirrortap ledger says as what" }
    output = { metric = "OutputDropped", statistic = "Sum", above = true, threshold = 0,
    text = "A tool is too slow, or its interface is gone: mirrortap outputs" }
    unhealthy = { metric = "Healthy", statistic = "Minimum", above = false, threshold = 1,
    text = "A machine is not healthy: /healthz says why" }
    ledger = { metric = "LedgerBalanced", statistic = "Minimum", above = false, threshold = 1,
    text = "The ledger does not balance: a defect of Mirrortap; keep mirrortap ledger --json" }
  }
}

resource "aws_cloudwatch_metric_alarm" "machine" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = "Mirrortap"
  metric_name         = each.value.metric
  dimensions          = { AutoScalingGroupName = local.group }
  statistic           = each.value.statistic
  comparison_operator = each.value.above ? "GreaterThanThreshold" : "LessThanThreshold"
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  treat_missing_data  = each.value.above ? "notBreaching" : "breaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "targets" {
  alarm_name          = "${var.name}-targets"
  alarm_description   = "The load balancer finds a machine unhealthy; if all are, it sends to all"
  namespace           = "AWS/NetworkELB"
  metric_name         = "UnHealthyHostCount"
  dimensions          = { LoadBalancer = aws_lb.mirror.arn_suffix, TargetGroup = aws_lb_target_group.mirror.arn_suffix }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 3
  datapoints_to_alarm = 3
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
}
