# `just` lists the recipes; each is one command that also works without just.

default:
    @just --list

# the complete check before a merge
check:
    .ci/run

# every test, with the short length of the campaigns; scripts/test also installs and reports
test:
    go test ./...

# start DynamoDB Local in the background, in a container or by its jar
up *ARGS:
    go run ./tools/local-dynamodb up {{ARGS}}

# wait until it answers
wait-ready *ARGS:
    go run ./tools/local-dynamodb wait-ready {{ARGS}}

# DynamoDB Local with its tables
setup *ARGS: (up ARGS)
    DYNAMODB_ENDPOINT="$(go run ./tools/local-dynamodb endpoint)" go run ./tools/setup-tables

# stop DynamoDB Local; its tables stay
down:
    go run ./tools/local-dynamodb down

# remove DynamoDB Local and its tables, after you type its name; never keys
nuke *ARGS:
    go run ./tools/local-dynamodb nuke {{ARGS}}

# the demo, on a store of its own
demo:
    go run ./cmd/blue-store demo

# format the sources
fmt:
    gofmt -w .

# the benchmark behind the figures of the README
bench:
    go test -run '^$' -bench . -benchtime 20x ./encrypted ./envelope

# the long length of the campaigns in docs/testing.md, which takes hours
campaign:
    scripts/test --campaign long

# every test in the modes of FIPS 140-3 that are not the default
fips:
    GODEBUG=fips140=on go test -timeout 30m ./...
    GOFIPS140=v1.0.0 GODEBUG=fips140=only go test -timeout 30m ./...

# how many keys are in memory after a store was closed, for both builds
measure-memory *ARGS:
    go run ./tools/measure-memory {{ARGS}}
    GOEXPERIMENT=runtimesecret go run ./tools/measure-memory {{ARGS}}
