#!/bin/sh
# Generates the client's classes from a WSDL, with wsimport, and compiles them into a folder.
#
#     build.sh WSDL-URL FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2/source" "$2/classes"
# -extension: JAX-WS counts SOAP 1.2 over HTTP as one.
java -cp "$here/build/lib/*" com.sun.tools.ws.WsImport \
    -quiet -extension -Xnocompile -p warehouse -s "$2/source" "$1"
javac -nowarn -encoding UTF-8 -cp "$here/build/lib/*" -d "$2/classes" \
    "$2"/source/warehouse/*.java "$here/Client.java"
