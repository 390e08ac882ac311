"""Runs the playbook and tells what each of its steps came to. Arguments: Ansible's place, the control program, the directory,
whether only a few of them (short)."""

import json
import os
import subprocess
import sys

tools, ctl, place, extent = sys.argv[1:]
environment = dict(os.environ, ANSIBLE_COLLECTIONS_PATH=tools, ANSIBLE_HOME=place + '/ansible', ANSIBLE_LOCALHOST_WARNING='False', ANSIBLE_PIPELINING='True',
                   ANSIBLE_INVENTORY_UNPARSED_WARNING='False', ANSIBLE_PYTHON_INTERPRETER=tools + '/bin/python3')
told = place + '/told.json'
values = {'ctl': ctl, 'conf': place + '/supervisord.conf', 'told': told, 'short': extent == 'short'}
run = subprocess.run([tools + '/bin/ansible-playbook', place + '/playbook.yml', '-i', 'localhost,', '-e', json.dumps(values)],
                     env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
if run.returncode or not os.path.exists(told):
    print(run.stdout)
    sys.exit(1)
for result in json.load(open(told)):
    kept = {key: result[key] for key in ('changed', 'failed', 'state', 'affected', 'msg') if key in result}
    print('%s => %s' % (result['item']['what'], json.dumps(kept)))
