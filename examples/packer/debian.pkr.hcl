# An OMI of a Debian 12 with nginx. Needs real VMs, the official Debian 12 OMI (`souche image build debian-12`), and a
# way out for apt (`souche serve --guest-nat`).

packer {
  required_plugins {
    outscale = {
      source  = "github.com/outscale/outscale"
      version = ">= 1.0.0"
    }
  }
}

source "outscale-bsu" "debian" {
  region               = "souche-1"
  custom_endpoint_oapi = "http://127.0.0.1:8808/api/v1"
  omi_name             = "debian-nginx"
  vm_type              = "tinav5.c1r1p2"
  ssh_username         = "outscale"
  ssh_interface        = "private_ip"

  source_omi_filter {
    filters     = { image-name = "Debian-12*" }
    owners      = ["Outscale"]
    most_recent = true
  }
}

build {
  sources = ["source.outscale-bsu.debian"]

  provisioner "shell" {
    inline = ["sudo apt-get update", "sudo apt-get install -y nginx"]
  }
}
