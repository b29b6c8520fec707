#!/bin/sh
# Leaves OUT_DIR/subscriber and OUT_DIR/publisher.
#
# Usage: build.sh OUT_DIR
# Maven generates from proto/ and compiles under OUT_DIR/target; libraries have the versions of
# pom.xml and end up in OUT_DIR/lib.
set -eu
for tool in mvn javac java; do
    if ! command -v "$tool" >/dev/null; then
        echo "java: $tool is missing" >&2
        exit 77
    fi
done
major=$(javac -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')
if [ "${major:-0}" -lt 17 ]; then
    echo "java: JDK 17 or newer is needed, this is ${major:-unknown}" >&2
    exit 77
fi
mkdir -p "${1:?usage: build.sh OUT_DIR}"
out=$(cd "$1" && pwd)
rm -rf "$out/lib" # versions of an older pom.xml would still be on the class path
cd "$(dirname "$0")"
mvn --quiet --batch-mode -Dstyle.color=never "-Dout=$out" compile

for program in Subscriber Publisher; do
    script=$out/$(echo "$program" | tr SP sp)
    cat >"$script" <<END
#!/bin/sh
# The character set is the one of the programs' output and arguments, whatever the terminal says.
LC_ALL=C.UTF-8 exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \\
    -cp '$out/target/classes:$out/lib/*' gush.example.$program "\$@"
END
    chmod +x "$script"
done
