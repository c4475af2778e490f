# A package is installed, upgraded with a changed configuration file, checked and removed, by dpkg. $1: where its versions lie.
set -eu

files() {
  (cd / && find usr/share/workload etc/workload* var/lib/workload* -printf '%p %y %m %s %n %l\n' 2>&1 | sort | md5sum)
}

dpkg -i "$1/workload_1.deb" | grep -v Reading
workload
files
echo "changed here" >>/etc/workload.conf
dpkg --force-confold -i "$1/workload_2.deb" | grep -v Reading
workload
files
dpkg --verify workload || true
cat /etc/workload.conf /etc/workload.conf.dpkg-new 2>&1 || true
(cd / && md5sum -c --quiet /var/lib/dpkg/info/workload.md5sums) && echo sums right
dpkg -r workload | grep -v Reading
ls /etc/workload.conf
dpkg --purge workload | grep -v Reading
files
