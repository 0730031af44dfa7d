#!/bin/bash
# Takes a unit of one main node and two secondary nodes through its life, on this machine: real processes, each with its
# own PKCS#11 tokens (SoftHSM), and a development CA. The nodes get their identities, meet again over mutual TLS, are
# called by an operator whose key is in a token, too, one of them is renewed, and in the end all are deprovisioned. In
# between other people's tools look into the tokens.
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
declare -A pid

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

# Of the certificate that a daemon shows in provisioning mode. NODE
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
        role='"mainIamPublicServerUrl": "localhost:'$main_public'",
            "mainIamProtectedServerUrl": "localhost:'$main_protected'", "nodeReconnectInterval": "1s",
            "serverFingerprint": "'$(fingerprint main)'",'
    fi
    cat >"$dir/config.json" <<JSON
{
    "caCert": "$work/ca/root.pem",
    "certStorage": "iam",
    "iamPublicServerUrl": "127.0.0.1:$2",
    "iamProtectedServerUrl": "127.0.0.1:$3",
    "workingDir": "$dir/state",
    "auditLogPath": "$dir/audit.log",
    $role
    "nodeInfo": {
        "nodeIdPath": "$dir/node-id",
        "nodeName": "demo $1",
        "provisioningStatePath": "$dir/provisionstate"
    },
    "certModules": [
        $(module iam aoscore ecc '"extendedKeyUsage": ["serverAuth", "clientAuth"], "alternativeNames": ["localhost"]'),
        $(module sm aoscore ecc '"extendedKeyUsage": ["clientAuth"]'),
        $(module online aoscloud ecc),
        $(module offline aoscloud rsa),
        $(module diskencryption aoscore rsa '"selfSigned": true')
    ]
}
JSON
}

# Every node, the main node first. [OPTION]
start_daemons() {
    local i node program
    for i in "${!nodes[@]}"; do
        node=${nodes[i]} program=provhub-agent
        [ "$node" = main ] && program=provhub-main
        rm -f "$work/$node/state/server-fingerprint"
        # The certificate that a main node shows in provisioning mode is another one after each start.
        [ $# -eq 0 ] || write_config "$node" "${ports[2 * i]}" "${ports[2 * i + 1]}"
        SOFTHSM2_CONF=$work/$node/softhsm2.conf "$bin/$program" --config "$work/$node/config.json" "$@" \
            >>"$work/$node/log" 2>&1 </dev/null &
        pid[$node]=$!
        printf '   %-12s process %s, listening on %s and %s\n' "$node" "$!" "${ports[2 * i]}" "${ports[2 * i + 1]}"
    done
}

# A token of the operator's own, a key in it, and a certificate for the key.
make_operator() {
    local dir=$work/operator
    mkdir -p "$dir/tokens"
    printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$dir" >"$dir/softhsm2.conf"
    (umask 077 && head -c 15 /dev/urandom | base64 >"$dir/pin")
    SOFTHSM2_CONF=$dir/softhsm2.conf softhsm2-util --init-token --free --label operator \
        --so-pin "$(head -c 15 /dev/urandom | base64)" --pin "$(cat "$dir/pin")" >/dev/null
    operator_key="pkcs11:token=operator;object=me?module-path=$library&pin-source=$dir/pin"
    as_operator csr --new-key "$operator_key" --subject demo-operator --operator >"$dir/me.csr"
    "$bin/provctl" ca sign "$work/ca" <"$dir/me.csr" >"$dir/me.pem"
}

as_operator() {
    XDG_STATE_HOME=$work/operator/state SOFTHSM2_CONF=$work/operator/softhsm2.conf "$bin/provctl" "$@"
}

# Over mutual TLS, to the main node.
provctl_normal() {
    as_operator --server "localhost:$main_protected" --ca-cert "$work/ca/root.pem" --cert "$work/operator/me.pem" \
        --key "$operator_key" "$@"
}

# COMMAND: of provctl, to the main node.
await_nodes() {
    local connected
    for _ in {1..150}; do
        connected=$("$@" nodes -o json 2>/dev/null | jq '[.nodes[] | select(.connected)] | length') || connected=0
        [ "$connected" = "${#nodes[@]}" ] && return
        sleep 0.1
    done
    fail 'not every node is connected'
}

# What must not be allowed. WHAT COMMAND...
refused() {
    local what=$1 words
    shift
    ! words=$("$@" 2>&1) || fail "$what was not refused"
    printf '   %s: %s\n' "$what" "$(tail -n 1 <<<"$words")"
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

# NODE CERTIFICATES
check_node() {
    local node=$1 expected=$2 token id keys=0 certificates=0
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
    done < <(jq -r --arg node "$node" '.nodes[] | select(.nodeId == $node) | .certificates[] | [.type, (.certUrl | capture("token=(?<t>[^;?]*)").t),
        (.certUrl | capture("id=(?<i>[^;?]*)").i | gsub("%"; "")), .selfSigned] | join(" ")' "$work/certs.json")
    [ "$certificates" -eq "$expected" ] || fail "$node: $expected certificates expected, $certificates found"
    [ "$keys" -eq "$certificates" ] || fail "$node: $keys private keys for $certificates certificates"
    printf '   %-12s %s private keys, each sensitive from its birth in the token and never extractable\n' "$node" "$keys"
}

title 'Setting up and building'
tools/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release --parallel "$(nproc)" --target provhub-main provhub-agent provctl
begun=$SECONDS

work=$(mktemp -d "${TMPDIR:-/tmp}/provhub-demo.XXXXXX")
# In provisioning mode, to the main node.
provctl() {
    "$bin/provctl" --server "localhost:$main_protected" --server-fingerprint "$(fingerprint main)" "$@"
}

"$bin/provctl" ca init "$work/ca" >/dev/null 2>&1
(umask 077 && head -c 15 /dev/urandom | base64 >"$work/password")
read -r -a ports < <(free_ports $((2 * ${#nodes[@]})))
main_public=${ports[0]} main_protected=${ports[1]}

title "Starting a main node and two secondary nodes in provisioning mode, in $work"
start_daemons --provisioning

title 'provctl provision --all'
provctl provision --all --wait-for "${#nodes[@]}" --wait 30s --ca "$work/ca" --password-file "$work/password"
for node in "${nodes[@]}"; do
    [ "$(head -n 1 "$work/$node/provisionstate")" = provisioned ] || fail "$node: its state file says something else"
done

title 'Restarting in normal mode: mutual TLS with the keys in the tokens'
stop_daemons || fail 'a daemon did not end well'
start_daemons
make_operator
await_nodes provctl_normal

title 'provctl nodes, as an operator'
provctl_normal nodes

title 'A call to a secondary node, forwarded by the main node'
provctl_normal pause secondary-1 2>&1
provctl_normal resume secondary-1 >/dev/null 2>&1
refused 'without a certificate' "$bin/provctl" --server "localhost:$main_protected" --ca-cert "$work/ca/root.pem" \
    pause secondary-1
refused 'deprovisioning in normal mode' provctl_normal deprovision secondary-1 --password-file "$work/password"

title 'provctl renew secondary-1'
provctl_normal renew secondary-1 --type iam --within 400d --ca "$work/ca" --password-file "$work/password"
await_nodes provctl_normal

title 'provctl certs --all'
provctl_normal certs --all -o json >"$work/certs.json"
# Without the greater part of the PKCS#11 URLs, which end in the path of the PIN's file.
provctl_normal certs --all | cut -c "1-${COLUMNS:-160}"

title 'Stopping the daemons'
stop_daemons || fail 'a daemon did not end well'

title 'What the tokens hold, by pkcs11-tool and openssl'
for node in "${nodes[@]}"; do
    check_node "$node" "$([ "$node" = secondary-1 ] && echo 6 || echo 5)"
done

title 'Restarting in provisioning mode and deprovisioning'
start_daemons --provisioning
await_nodes provctl
provctl deprovision secondary-1 secondary-2 main --password-file "$work/password"
for node in "${nodes[@]}"; do
    [ "$(head -n 1 "$work/$node/provisionstate")" = unprovisioned ] || fail "$node: its state file says something else"
done
stop_daemons || fail 'a daemon did not end well'

title 'What was asked of each node, and by whom: provctl audit verify'
for node in "${nodes[@]}"; do
    "$bin/provctl" audit verify "$work/$node/audit.log"
done

printf '\nAll is well: %s nodes provisioned, called, renewed and deprovisioned, every chain and every key checked, in %s s.\n' \
    "${#nodes[@]}" $((SECONDS - begun))
