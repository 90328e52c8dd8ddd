noinst_LIBRARIES += src/config/libconfiguration.a
src_config_libconfiguration_a_SOURCES = \
	include/appnet/config/config.h src/config/config.c \
	src/config/check.c \
	src/config/ini_reader.c \
	src/config/libconfig_reader.c \
	src/config/option.h src/config/option.c \
	src/config/spelling.h src/config/spelling.c
config_libs = src/config/libconfiguration.a $(LIBCONFIG_LIBS) $(INIH_LIBS) $(base_libs)
