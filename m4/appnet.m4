# APPNET_CFLAG(FLAG, VARIABLE) adds FLAG to VARIABLE if the compiler takes it without a word.
AC_DEFUN([APPNET_CFLAG], [
  AS_VAR_PUSHDEF([cache], [appnet_cv_cflag_$1])dnl
  AC_CACHE_CHECK([whether $CC takes $1], [cache], [
    appnet_saved_cflags=$CFLAGS
    CFLAGS="$CFLAGS -Werror $1"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[]], [[]])], [AS_VAR_SET([cache], [yes])],
                      [AS_VAR_SET([cache], [no])])
    CFLAGS=$appnet_saved_cflags])
  AS_VAR_IF([cache], [yes], [AS_VAR_APPEND([$2], [" $1"])])
  AS_VAR_POPDEF([cache])dnl
])

# APPNET_LDFLAG(FLAG, VARIABLE) adds FLAG to VARIABLE if the linker takes it.
AC_DEFUN([APPNET_LDFLAG], [
  AS_VAR_PUSHDEF([cache], [appnet_cv_ldflag_$1])dnl
  AC_CACHE_CHECK([whether the linker takes $1], [cache], [
    appnet_saved_cflags=$CFLAGS
    appnet_saved_ldflags=$LDFLAGS
    CFLAGS="$CFLAGS $HARDENING_CFLAGS"
    LDFLAGS="$LDFLAGS $1"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[]], [[]])], [AS_VAR_SET([cache], [yes])],
                   [AS_VAR_SET([cache], [no])])
    CFLAGS=$appnet_saved_cflags
    LDFLAGS=$appnet_saved_ldflags])
  AS_VAR_IF([cache], [yes], [AS_VAR_APPEND([$2], [" $1"])])
  AS_VAR_POPDEF([cache])dnl
])

# APPNET_SANITIZER(SHORT, NAME, FLAGS) defines --enable-SHORT, which builds everything with FLAGS.
AC_DEFUN([APPNET_SANITIZER], [
  AC_ARG_ENABLE([$1], [AS_HELP_STRING([--enable-$1], [build with $2])], [], [enable_$1=no])
  AS_IF([test "x$enable_$1" != xno], [
    appnet_saved_cflags=$CFLAGS
    CFLAGS="$CFLAGS $3"
    AC_MSG_CHECKING([whether $CC links with $3])
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[]], [[]])], [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])
       AC_MSG_ERROR([--enable-$1 was given but the compiler has no $2])])
    CFLAGS=$appnet_saved_cflags
    SANITIZER_CFLAGS="$SANITIZER_CFLAGS $3 -fno-omit-frame-pointer"
    sanitizers="$sanitizers $1"])
])

# APPNET_MODULE(VARIABLE, MODULES, DEBIAN-PACKAGE) is a part that nothing works without.
AC_DEFUN([APPNET_MODULE], [
  PKG_CHECK_MODULES([$1], [$2], [],
    [AC_MSG_ERROR([$2 was not found; on Debian: apt-get install $3])])
])

# APPNET_FOUND(WANTED, OPTION, FOUND, DEBIAN-PACKAGE) makes a missing part an error if it was asked for by name.
AC_DEFUN([APPNET_FOUND], [
  AS_IF([test "x$1" = xyes && test "x$3" = xno],
    [AC_MSG_ERROR([$2 was given but not all it needs was found; on Debian: apt-get install $4])])
])
