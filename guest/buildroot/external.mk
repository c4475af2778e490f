include $(sort $(wildcard $(BR2_EXTERNAL_KATA_PATH)/package/*/*.mk))
