################################################################################
#
# kata-init
#
################################################################################

KATA_INIT_VERSION = local
KATA_INIT_SITE = $(BR2_EXTERNAL_KATA_PATH)/../init
KATA_INIT_SITE_METHOD = local
KATA_INIT_LICENSE = Apache-2.0

define KATA_INIT_BUILD_CMDS
	$(TARGET_CC) $(TARGET_CFLAGS) -static -Os -Wall -Wextra \
		-o $(@D)/init $(@D)/init.c
endef

define KATA_INIT_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/init $(TARGET_DIR)/init
endef

$(eval $(generic-package))
