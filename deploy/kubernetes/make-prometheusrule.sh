#!/bin/sh
# Writes prometheusrule.yaml from the project's rules, so that there is one source of them.
set -eu
here=$(dirname -- "$0")
rules=$here/../prometheus/portwatch.rules.yml
{
  printf '%s\n' \
    '# Written by make-prometheusrule.sh from deploy/prometheus/portwatch.rules.yml; do not edit.' \
    'apiVersion: monitoring.coreos.com/v1' \
    'kind: PrometheusRule' \
    'metadata:' \
    '  name: portwatchd' \
    'spec:'
  sed -e '/^[[:space:]]*#/d' -e 's/^\(.\)/  \1/' "$rules"
} >"${1:-$here/prometheusrule.yaml}"
