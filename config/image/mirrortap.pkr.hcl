# SPDX-License-Identifier: BSD-3-Clause
# The AMI: Debian's official Debian 12, and provision.sh. NEVER RUN: validated only.
#
#     git archive --format=tar.gz -o /tmp/mirrortap.tar.gz HEAD
#     packer init config/image && packer build -var source=/tmp/mirrortap.tar.gz config/image
#
# Packer 1.7 and later. Debian 12 has 1.6.6, which knows neither required_plugins (plugins.pkr.hcl) nor
# what is between the two marks below; tests/smoke/aws.sh validates the rest with it.

variable "source" {
  type        = string
  description = "Mirrortap's source tree as a tar.gz, as made by git archive."
}

variable "region" {
  type    = string
  default = "eu-central-1"
}

variable "instance_type" {
  type        = string
  description = "Builds the AMI; any type of x86-64 will do."
  default     = "c6i.large"
}

variable "subnet_id" {
  type        = string
  description = "Empty: the default VPC's."
  default     = ""
}

variable "kms_key_id" {
  type        = string
  description = "Key that encrypts the AMI; empty: the account's own for EBS. To share the AMI, use one that can be shared."
  default     = ""
}

locals {
  stamp = formatdate("YYYYMMDD-hhmm", timestamp())
}

source "amazon-ebs" "debian" {
  ami_name        = "mirrortap-${local.stamp}"
  ami_description = "Mirrortap, a mirror target, on Debian 12"
  region          = var.region
  instance_type   = var.instance_type
  subnet_id       = var.subnet_id
  ssh_username    = "admin"
  ssh_interface   = "public_ip"
  ena_support     = true
  encrypt_boot    = true
  kms_key_id      = var.kms_key_id

  # Debian's account: https://wiki.debian.org/Cloud/AmazonEC2Image/Bookworm
  source_ami_filter {
    owners      = ["136693071363"]
    most_recent = true
    filters = {
      name                = "debian-12-amd64-*"
      architecture        = "x86_64"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }

  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_size           = 8
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }

  # packer 1.6.6 stops understanding here
  imds_support = "v2.0" # machines of this AMI require IMDSv2, whatever their launch template says
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  # packer 1.6.6 understands again

  tags = {
    Name = "mirrortap-${local.stamp}"
  }
}

build {
  sources = ["source.amazon-ebs.debian"]

  # The base system's first boot must be through with apt.
  provisioner "shell" {
    inline = ["cloud-init status --wait"]
  }

  provisioner "file" {
    source      = var.source
    destination = "/tmp/mirrortap.tar.gz"
  }

  provisioner "shell" {
    inline = [
      "set -eu",
      "mkdir /tmp/mirrortap && tar -xzf /tmp/mirrortap.tar.gz -C /tmp/mirrortap",
      "sudo DEBIAN_FRONTEND=noninteractive apt-get -q update",
      "sudo DEBIAN_FRONTEND=noninteractive apt-get -qy upgrade",
      "sudo /tmp/mirrortap/config/image/provision.sh --seal",
      "rm -rf /tmp/mirrortap /tmp/mirrortap.tar.gz",
    ]
  }
}
