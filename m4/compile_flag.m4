# XT_COMPILE_FLAG(FLAG): adds FLAG to XT_CFLAGS if the compiler takes it.
AC_DEFUN([XT_COMPILE_FLAG], [
	AC_MSG_CHECKING([whether $CC takes $1])
	xt_saved="$CFLAGS"
	CFLAGS="$CFLAGS -Werror $1"
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
		[AC_MSG_RESULT([yes]); XT_CFLAGS="$XT_CFLAGS $1"],
		[AC_MSG_RESULT([no])])
	CFLAGS="$xt_saved"
])
