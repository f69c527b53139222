# SPDX-License-Identifier: BSD-3-Clause
# For Packer 1.7 and later, in a file of its own: 1.6.6 does not know it.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.2.0"
    }
  }
}
