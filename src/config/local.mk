noinst_LIBRARIES += src/config/libconfiguration.a
src_config_libconfiguration_a_SOURCES = \
	include/appnet/config/config.h src/config/config.c
config_libs = src/config/libconfiguration.a $(LIBCONFIG_LIBS) $(INIH_LIBS) $(base_libs)
