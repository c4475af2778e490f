# Two writers at once on a database, in both of SQLite's journal modes. $1: a folder to work in.
set -eu
cd "$1"

writer() {
  i=0
  while [ $i -lt 10 ]; do
    i=$((i + 1))
    sqlite3 -cmd ".timeout 120000" db "begin immediate;
      with recursive n(i) as (select 1 union all select i + 1 from n where i < 50)
        insert into t(who, n, pad) select '$1', i, zeroblob(300) from n;
      commit;"
  done
}

for mode in delete wal; do
  rm -f db db-wal db-shm
  sqlite3 db "pragma journal_mode=$mode; create table t(id integer primary key, who text, n int, pad blob);"
  writer a &
  writer b &
  wait
  sqlite3 db "pragma integrity_check;
    select who, count(*), sum(n) from t group by who;
    create index by_n on t(n, who); update t set n = n + 1 where who = 'a'; delete from t where n % 5 = 0;
    vacuum; pragma integrity_check; select count(*), sum(n), min(id) > 0 from t;"
  sqlite3 db .dump | grep -c INSERT
done
