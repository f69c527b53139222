# SPDX-License-Identifier: BSD-3-Clause
output "mirror_target_id" {
  description = "For your own mirror sessions"
  value       = aws_ec2_traffic_mirror_target.mirror.id
}

output "mirror_filter_id" {
  value = aws_ec2_traffic_mirror_filter.everything.id
}

output "auto_scaling_group" {
  value = aws_autoscaling_group.machine.name
}

output "target_group_arn" {
  value = aws_lb_target_group.mirror.arn
}
