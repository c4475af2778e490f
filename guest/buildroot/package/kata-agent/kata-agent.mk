################################################################################
#
# kata-agent
#
################################################################################

KATA_AGENT_VERSION = local
KATA_AGENT_SITE = $(call qstrip,$(BR2_PACKAGE_KATA_AGENT_PATH))
KATA_AGENT_SITE_METHOD = local
KATA_AGENT_LICENSE = Apache-2.0

# The folder holds kernels and initrds too, which need not be copied.
KATA_AGENT_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --include=/kata-agent --exclude='*'

define KATA_AGENT_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/kata-agent $(TARGET_DIR)/usr/bin/kata-agent
endef

$(eval $(generic-package))
