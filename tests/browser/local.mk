# The page as a person uses it, in Debian's Chromium: make check-browser BROWSER_ARGS="sign-in". What is missing for
# it is said, and nothing is run then. The packages are installed into the build folder.
BROWSER_ARGS =
browser = APPNET_BIN_DIR=$(abs_builddir) $(SHELL) $(srcdir)/tests/browser/run.sh
check-browser: all
	$(browser) $(abs_builddir)/tests/browser run.mjs $(BROWSER_ARGS)
.PHONY: check-browser

# The pictures in doc/page, made anew.
screenshots: all
	$(browser) $(abs_builddir)/tests/browser screenshots.mjs $(abs_srcdir)/doc/page
.PHONY: screenshots

EXTRA_DIST += doc/page \
	tests/browser/.npmrc tests/browser/accessibility.test.mjs tests/browser/connections.test.mjs \
	tests/browser/hostile.test.mjs tests/browser/instances.test.mjs tests/browser/package-lock.json \
	tests/browser/package.json tests/browser/run.mjs tests/browser/run.sh tests/browser/scale.test.mjs \
	tests/browser/screenshots.mjs tests/browser/sign-in.test.mjs tests/browser/states.test.mjs \
	tests/browser/support
