# A repository with a program of many files: commit, push, clone, build, change, pull, collect garbage. $1: a folder to work in.
set -eu
cd "$1"
export HOME="$1" GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_AUTHOR_DATE="2020-01-01T00:00:00Z"
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org GIT_COMMITTER_DATE="2020-01-01T00:00:00Z"

git init -q --bare -b main origin.git
git init -q -b main source
cd source
git remote add origin "file://$1/origin.git"
calls= declarations= i=0
while [ $i -lt 20 ]; do
  i=$((i + 1))
  mkdir -p "part$((i % 4))"
  echo "int f$i(void) { return $i; }" >"part$((i % 4))/f$i.c"
  calls="$calls + f$i()" declarations="$declarations int f$i(void);"
done
echo "#include <stdio.h>
$declarations
int main(void) { printf(\"sum %d\\n\", 0 $calls); return 0; }" >main.c
printf '%s\n' 'OBJECTS := $(patsubst %.c,%.o,$(wildcard *.c part*/*.c))' 'program: $(OBJECTS)' \
  '	tcc -o $@ $^' '%.o: %.c' '	tcc -c -o $@ $<' >Makefile
printf '*.o\nprogram\n' >.gitignore
ln -s main.c link
git add .
git commit -q -m first
git push -q origin main

cd ..
git clone -q "file://$1/origin.git" clone
cd clone
make -s -j 2
./program
git status --porcelain
make -s # nothing is left to do, if times are right
sed -i 's/return 7;/return 700;/' part3/f7.c
git mv part1/f1.c part2/f1.c
git commit -q -a -m second
make -s
./program
git push -q origin main

cd ../source
git pull -q --ff-only origin main
git log --format='%H %s'
git fsck --strict
git gc -q
git count-objects -v | grep -E '^(count|in-pack|packs|garbage):'
git ls-files -s | md5sum
readlink link
