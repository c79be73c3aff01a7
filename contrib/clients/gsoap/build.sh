#!/bin/sh
# Generates the client's code from a WSDL, with gSOAP, and compiles it: in a folder, to a program
# for SOAP 1.1 and to another for SOAP 1.2, as gSOAP fixes the version where it generates code.
#
#     build.sh WSDL-URL FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
cd "$2"
wsdl2h -O1 -t /usr/share/gsoap/WS/typemap.dat -o warehouse.h "$1"
for version in 1 2; do
    soapcpp2 -C -j -$version -x -L -d. -I/usr/share/gsoap/import warehouse.h
    g++ -w -I. -o client-1.$version "$here/client.cpp" \
        soapC.cpp soapWarehouseBinding11Proxy.cpp -lgsoap++
done
