# SPDX-License-Identifier: BSD-3-Clause
variable "name" {
  description = "Prefix of all names; 1 to 20 letters, digits and hyphens"
  type        = string
  default     = "mirrortap"
  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{0,19}$", var.name))
    error_message = "1 to 20 letters, digits and hyphens, beginning with a letter."
  }
}

variable "ami_id" {
  description = "The appliance's AMI, as built by config/image/mirrortap.pkr.hcl"
  type        = string
}

variable "vpc_id" {
  type = string
}

variable "subnet_ids" {
  description = "Private subnets, in different availability zones, with a way to AWS's interfaces (NAT or VPC endpoints)"
  type        = list(string)
}

variable "instance_type" {
  description = "Must allow two network interfaces; docs/aws.md has a table"
  type        = string
  default     = "c6in.xlarge"
}

variable "source_cidrs" {
  description = "Where mirrored interfaces are: they may send to UDP 4789"
  type        = list(string)
}

variable "health_cidrs" {
  description = "The VPC's range (of its load balancer's subnets at least): may ask for health and metrics, TCP 8080"
  type        = list(string)
}

variable "ssh_cidrs" {
  description = "May use SSH, on the management interface only; empty: nobody"
  type        = list(string)
  default     = []
}

variable "key_name" {
  description = "EC2 key pair for SSH; empty: none"
  type        = string
  default     = ""
}

variable "min_size" {
  type    = number
  default = 2
}

variable "max_size" {
  type    = number
  default = 4
}

variable "drain_seconds" {
  description = "From a red health check until a machine may go; at least interval x threshold + timeout of the health check (26)"
  type        = number
  default     = 90
  validation {
    condition     = var.drain_seconds >= 26 && var.drain_seconds <= 3600
    error_message = "26 to 3600."
  }
}

variable "configuration" {
  description = "Keys of mirrortap.yaml, laid over what first boot makes: outputs, sessions, ..."
  type        = any
  default     = {}
}

variable "root_volume_gib" {
  type    = number
  default = 8
}

variable "alarm_topic_arns" {
  description = "SNS topics that alarms are sent to"
  type        = list(string)
  default     = []
}

variable "example_source_eni" {
  description = "A network interface to be mirrored, as an example; empty: no session is made"
  type        = string
  default     = ""
}

variable "example_vni" {
  type    = number
  default = 4321
}
