#!/bin/bash
# Gives a unit of one main node and two secondary nodes their identities, on this machine: real processes, each with its
# own PKCS#11 tokens (SoftHSM), and a development CA. Then looks into the tokens with other people's tools.
#
#   tools/demo.sh [--keep]      --keep leaves the directory with everything in it
#
# Exit status 0: everything that is promised was found to be so.
set -euo pipefail
cd "$(dirname "$0")/.."

keep=false
case "${1-}" in
--keep) keep=true ;;
'') ;;
*)
    sed -n '2,/^$/s/^# \{0,1\}//p;/^set/q' "$0"
    [ "$1" = --help ] && exit 0 || exit 2
    ;;
esac

readonly library=/usr/lib/softhsm/libsofthsm2.so
readonly nodes=(main secondary-1 secondary-2)
readonly bin=$PWD/build/release/bin
declare -A pid protected

title() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
fail() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

stop_daemons() {
    local node status=0
    for node in "${!pid[@]}"; do
        kill -TERM "${pid[$node]}" 2>/dev/null || true
    done
    for node in "${!pid[@]}"; do
        wait "${pid[$node]}" || { printf 'demo: %s ended with status %s\n' "$node" $?; status=1; }
        unset "pid[$node]"
    done
    return $status
}

finish() {
    local status=$?
    trap - EXIT
    stop_daemons || status=1
    if [ "$status" -ne 0 ] && [ -d "${work-}" ]; then
        tail -n 15 "$work"/*/log >&2 || true
    fi
    if $keep && [ -d "${work-}" ]; then
        printf '\nEverything is kept in %s\n' "$work"
    elif [ -d "${work-}" ]; then
        rm -rf "$work"
    fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# One entry of certModules: TYPE TOKEN ALGORITHM [MORE JSON]
module() {
    printf '{"id": "%s", "plugin": "pkcs11module", "algorithm": "%s", "maxItems": 2%s,
        "params": {"library": "%s", "tokenLabel": "%s", "userPinPath": "%s/.usrpin"}}' \
        "$1" "$3" "${4:+, $4}" "$library" "$2" "$dir"
}

# Of the certificate that a daemon shows while its node has none. NODE
fingerprint() {
    local file=$work/$1/state/server-fingerprint
    for _ in {1..100}; do
        [ -s "$file" ] && break
        sleep 0.1
    done
    cat "$file" || fail "$1 has not come up, see $work/$1/log"
}

# NODE PUBLIC-PORT PROTECTED-PORT
write_config() {
    local dir=$work/$1
    mkdir -p "$dir/tokens"
    printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$dir" >"$dir/softhsm2.conf"
    printf '%s\n' "$1" >"$dir/node-id"
    local role
    if [ "$1" = main ]; then
        printf 'demo-unit\n' >"$dir/system-id"
        printf 'demo-model;1.0\n' >"$dir/unit-model"
        printf 'demo-subject\n' >"$dir/subjects"
        role='"identifier": {"plugin": "fileidentifier", "params": {"systemIDPath": "'$dir'/system-id",
            "unitModelPath": "'$dir'/unit-model", "subjectsPath": "'$dir'/subjects"}},'
    else
        role='"mainIamPublicServerUrl": "127.0.0.1:'$main_public'",
            "mainIamProtectedServerUrl": "127.0.0.1:'$main_protected'", "nodeReconnectInterval": "2s",
            "serverFingerprint": "'$(fingerprint main)'",'
    fi
    cat >"$dir/config.json" <<JSON
{
    "caCert": "$work/ca/root.pem",
    "certStorage": "iam",
    "iamPublicServerUrl": "127.0.0.1:$2",
    "iamProtectedServerUrl": "127.0.0.1:$3",
    "workingDir": "$dir/state",
    $role
    "nodeInfo": {
        "nodeIdPath": "$dir/node-id",
        "nodeName": "demo $1",
        "provisioningStatePath": "$dir/provisionstate"
    },
    "certModules": [
        $(module iam aoscore ecc '"extendedKeyUsage": ["serverAuth", "clientAuth"]'),
        $(module sm aoscore ecc '"extendedKeyUsage": ["clientAuth"]'),
        $(module online aoscloud ecc),
        $(module offline aoscloud rsa),
        $(module diskencryption aoscore rsa '"selfSigned": true')
    ]
}
JSON
}

start_daemon() {
    local program=provhub-agent
    [ "$1" = main ] && program=provhub-main
    SOFTHSM2_CONF=$work/$1/softhsm2.conf "$bin/$program" --config "$work/$1/config.json" --provisioning \
        >"$work/$1/log" 2>&1 </dev/null &
    pid[$1]=$!
}

free_ports() {
    python3 - "$1" <<'PYTHON'
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))
PYTHON
}

# NODE TOKEN ARGUMENT...
look_into() {
    local dir=$work/$1 token=$2
    shift 2
    SOFTHSM2_CONF=$dir/softhsm2.conf pkcs11-tool --module "$library" --token-label "$token" \
        --login --pin "$(head -n 1 "$dir/.usrpin")" "$@" 2>/dev/null
}

# Every private key of a token, without exception.
check_keys() {
    local node=$1 token=$2 keys access
    keys=$(look_into "$node" "$token" --list-objects --type privkey)
    access=$(grep 'Access:' <<<"$keys") || fail "$node: no private key in $token"
    while read -r line; do
        for word in sensitive 'always sensitive' 'never extractable' local; do
            [[ $line == *"$word"* ]] || fail "$node: a private key in $token is not $word: $line"
        done
    done <<<"$access"
    wc -l <<<"$access"
}

# Signs in the token, verifies outside with the certificate's public key. NODE TOKEN ID FILES
sign_and_verify() {
    printf 'signed by %s\n' "$3" | openssl dgst -sha256 -binary >"$4.hash"
    if openssl pkey -pubin -in "$4.pub" -noout -text | grep -q '^ASN1 OID'; then
        look_into "$1" "$2" --sign --id "$3" --mechanism ECDSA --signature-format openssl \
            --input-file "$4.hash" --output-file "$4.sig" >/dev/null
        openssl pkeyutl -verify -pubin -inkey "$4.pub" -in "$4.hash" -sigfile "$4.sig" >/dev/null
    else
        look_into "$1" "$2" --sign --id "$3" --mechanism SHA256-RSA-PKCS \
            --input-file "$4.hash" --output-file "$4.sig" >/dev/null
        openssl dgst -sha256 -verify "$4.pub" -signature "$4.sig" "$4.hash" >/dev/null
    fi
}

# A certificate of `provctl certs`: from the token, not from what provctl says of it.
check_certificate() {
    local node=$1 type=$2 token=$3 id=$4 self_signed=$5 dir=$work/$1
    local leaf=$dir/$type.pem anchor=$work/ca/root.pem
    look_into "$node" "$token" --read-object --type cert --id "$id" | openssl x509 -inform DER -out "$leaf"
    [ "$self_signed" = true ] && anchor=$leaf
    openssl verify -check_ss_sig -CAfile "$anchor" -untrusted "$dir/$token-all.pem" "$leaf" >/dev/null ||
        fail "$node: the chain of $type does not verify"
    openssl x509 -in "$leaf" -noout -pubkey >"$dir/$type.pub"
    sign_and_verify "$node" "$token" "$id" "$dir/$type" || fail "$node: the key of $type is not that of its certificate"
    printf '   %-12s %-15s %-22s chain verifies, key signs\n' "$node" "$type" \
        "$(openssl x509 -in "$leaf" -noout -text | sed -n 's/ *Public-Key: (\(.*\))/\1/p' | head -n 1) in $token"
}

check_node() {
    local node=$1 token id keys=0 certificates=0
    for token in aoscore aoscloud; do
        : >"$work/$node/$token-all.pem"
        for id in $(look_into "$node" "$token" --list-objects --type cert | sed -n 's/^ *ID: *//p'); do
            look_into "$node" "$token" --read-object --type cert --id "$id" | openssl x509 -inform DER \
                >>"$work/$node/$token-all.pem"
        done
        keys=$((keys + $(check_keys "$node" "$token")))
    done
    while read -r type token id self_signed; do
        check_certificate "$node" "$type" "$token" "$id" "$self_signed"
        certificates=$((certificates + 1))
    done < <(jq -r '.certificates[] | [.type, (.certUrl | capture("token=(?<t>[^;?]*)").t),
        (.certUrl | capture("id=(?<i>[^;?]*)").i | gsub("%"; "")), .selfSigned] | join(" ")' "$work/$node/certs.json")
    [ "$certificates" -eq 5 ] || fail "$node: 5 certificates expected, $certificates found"
    [ "$keys" -eq "$certificates" ] || fail "$node: $keys private keys for $certificates certificates"
    printf '   %-12s %s private keys, each sensitive from its birth in the token and never extractable\n' "$node" "$keys"
}

title 'Setting up and building'
tools/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release --parallel "$(nproc)" --target provhub-main provhub-agent provctl
begun=$SECONDS

work=$(mktemp -d "${TMPDIR:-/tmp}/provhub-demo.XXXXXX")
provctl() {
    "$bin/provctl" --server "127.0.0.1:${protected[$node]}" --server-fingerprint "$(fingerprint "$node")" "$@"
}

title "Starting a main node and two secondary nodes in $work"
"$bin/provctl" ca init "$work/ca" >/dev/null 2>&1
(umask 077 && head -c 15 /dev/urandom | base64 >"$work/password")
read -r -a ports < <(free_ports $((2 * ${#nodes[@]})))
main_public=${ports[0]} main_protected=${ports[1]}
for i in "${!nodes[@]}"; do
    write_config "${nodes[i]}" "${ports[2 * i]}" "${ports[2 * i + 1]}"
    protected[${nodes[i]}]=${ports[2 * i + 1]}
    start_daemon "${nodes[i]}"
    printf '   %-12s process %s, listening on %s and %s\n' "${nodes[i]}" "$!" "${ports[2 * i]}" "${ports[2 * i + 1]}"
done

node=main
title 'provctl provision --all'
provctl provision --all --wait-for "${#nodes[@]}" --wait 30s --ca "$work/ca" --password-file "$work/password"

title 'provctl nodes'
provctl nodes
[ "$(provctl nodes -o json | jq '[.nodes[] | select(.state == "provisioned" and .connected)] | length')" -eq \
    "${#nodes[@]}" ] || fail 'not every node is provisioned and connected'
for node in "${nodes[@]}"; do
    title "provctl certs, on $node"
    provctl certs -o json >"$work/$node/certs.json"
    # Without the greater part of the PKCS#11 URLs, which end in the path of the PIN's file.
    provctl certs | cut -c "1-${COLUMNS:-160}"
    [ "$(head -n 1 "$work/$node/provisionstate")" = provisioned ] || fail "$node: its state file says something else"
done

title 'Stopping the daemons'
stop_daemons || fail 'a daemon did not end well'

title 'What the tokens hold, by pkcs11-tool and openssl'
for node in "${nodes[@]}"; do
    check_node "$node"
done

printf '\nAll is well: %s nodes provisioned, every chain and every key checked, in %s s.\n' "${#nodes[@]}" \
    $((SECONDS - begun))
