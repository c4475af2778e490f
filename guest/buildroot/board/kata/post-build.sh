#!/bin/sh
# Brings the target in line with guest/rootfs.json, by way of rootfs.list, which is made from it:
#   directory MODE PATH    link PATH TARGET    require PATH
set -eu
target=$1
missing=

while read -r kind first second; do
	case $kind in
	directory)
		[ -d "$target/$second" ] || install -d "$target/$second"
		chmod "$first" "$target/$second"
		;;
	link)
		# Buildroot's own program or link serves as well.
		[ -e "$target/$first" ] || [ -L "$target/$first" ] || ln -s "$second" "$target/$first"
		;;
	require)
		[ -e "$target/$first" ] || [ -L "$target/$first" ] || missing="$missing $first"
		;;
	esac
done < "$(dirname "$0")/rootfs.list"

if [ -n "$missing" ]; then
	echo "post-build.sh: the root file system lacks:$missing" >&2
	exit 1
fi
